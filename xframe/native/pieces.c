/* A file written piece by piece, without the interpreter's lock.

   Linux's page cache takes as large a block of memory for a write as the write is long. On a virtual machine whose free
   memory the host has taken back, large blocks are those that it has to give anew: 2 GB in writes of 128 KB or more took
   three times as long at times. `cp` writes 64 KB, and so do we; in Python each would wait for the lock.

   Linux lets one thread at a time write to a file, and may let in another after every piece. Threads that begin to write
   together would then stay in step: all write, none computes. So a thread has its turn until it has written all. Who waits
   for that asks again and again for some milliseconds: to fall asleep and be woken takes about as long as a turn. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

enum { PIECE = 1 << 16, PATIENCE = 10000 };

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/* In a forked child, where whoever had it does not live on. */
static void renew_turn(void)
{
    turn = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

static int take_turn(int wait)
{
    for (int asked = 0; pthread_mutex_trylock(&turn) != 0; asked++) {
        if (!wait)
            return 0;
        if (asked == PATIENCE)
            return pthread_mutex_lock(&turn) == 0;
        sched_yield();
    }
    return 1;
}

/* How many bytes could not be written: none, or errno says why. Pieces end where multiples of PIECE do in the file. */
static Py_ssize_t write_all(int handle, const char *data, Py_ssize_t left, off_t offset)
{
    while (left > 0) {
        const ssize_t written = pwrite(handle, data, (size_t)Py_MIN(PIECE - offset % PIECE, left), offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            errno = written < 0 ? errno : EIO;
            break;
        }
        data += written;
        left -= written;
        offset += written;
    }
    return left;
}

static PyObject *write_pieces(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    int handle, wait, has_turn;
    long long offset;
    PyObject *data;
    Py_buffer bytes;
    if (!PyArg_ParseTuple(arguments, "iOLp:write", &handle, &data, &offset, &wait))
        return NULL;
    if (PyObject_GetBuffer(data, &bytes, PyBUF_SIMPLE) != 0)
        return NULL;
    Py_ssize_t left = 0;
    Py_BEGIN_ALLOW_THREADS
    has_turn = take_turn(wait);
    if (has_turn) {
        left = write_all(handle, bytes.buf, bytes.len, (off_t)offset);
        pthread_mutex_unlock(&turn);
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&bytes);
    if (left > 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyBool_FromLong(has_turn);
}

static PyMethodDef functions[] = {
    {"write", write_pieces, METH_VARARGS,
     "write(handle, data, offset, wait)\n--\n\n"
     "Writes all of ``data``, C-contiguous, into the open file ``handle`` from ``offset`` on, other threads running.\n"
     "Says whether it did: where another thread writes and ``wait`` is false it does not.\n"
     "Raises OSError where the system refuses, BufferError for data that is not contiguous."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "pieces", "A file written piece by piece, in C.", -1,
                                        functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_pieces(void)
{
    pthread_atfork(NULL, NULL, renew_turn);
    return PyModule_Create(&definition);
}
