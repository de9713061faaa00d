/* Arrays turned round: what lies in columns comes to lie in rows. For words of 2, 4 and 8 bytes.

   Some rows of the source are fetched in runs into a buffer that fits the first-level cache, while the rows that come
   AHEAD of them are asked for; from there every line of the target is written whole. The buffer's rows lie a cache line
   further apart than they are long, for strides of a power of two fall onto the same lines of the cache.

   Words are moved, never computed with: a NaN keeps its payload. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <string.h>

enum { LINE = 64, RUN = 256, PITCH = RUN + LINE, AHEAD = 32, SHORTEST = 16 };

/* target[column][row] = source[row][column]. A step is the distance in bytes from one row to the next. */
typedef struct {
    char *target;
    const char *source;
    Py_ssize_t target_step, source_step, rows, columns;
} Plane;

typedef unsigned Four __attribute__((vector_size(16)));

/* Four words of four rows: halves of two rows are shuffled into each other, twice. */
static inline void turn_square(char *target, Py_ssize_t step, const char *buffer)
{
    Four rows[4];
    for (int i = 0; i < 4; i++)
        memcpy(&rows[i], buffer + i * PITCH, sizeof rows[i]);
    const Four even_low = __builtin_shufflevector(rows[0], rows[2], 0, 4, 1, 5);
    const Four even_high = __builtin_shufflevector(rows[0], rows[2], 2, 6, 3, 7);
    const Four odd_low = __builtin_shufflevector(rows[1], rows[3], 0, 4, 1, 5);
    const Four odd_high = __builtin_shufflevector(rows[1], rows[3], 2, 6, 3, 7);
    rows[0] = __builtin_shufflevector(even_low, odd_low, 0, 4, 1, 5);
    rows[1] = __builtin_shufflevector(even_low, odd_low, 2, 6, 3, 7);
    rows[2] = __builtin_shufflevector(even_high, odd_high, 0, 4, 1, 5);
    rows[3] = __builtin_shufflevector(even_high, odd_high, 2, 6, 3, 7);
    for (int i = 0; i < 4; i++)
        memcpy(target + i * step, &rows[i], sizeof rows[i]);
}

static inline void turn_words(char *target, Py_ssize_t step, const char *buffer, Py_ssize_t rows, Py_ssize_t columns,
                              const Py_ssize_t word)
{
    for (Py_ssize_t column = 0; column < columns; column++)
        for (Py_ssize_t row = 0; row < rows; row++)
            memcpy(target + column * step + row * word, buffer + row * PITCH + column * word, (size_t)word);
}

/* As many rows as one line of the target takes. */
static inline void turn_rows(char *target, Py_ssize_t step, const char *buffer, Py_ssize_t rows, Py_ssize_t columns,
                             const Py_ssize_t word)
{
    Py_ssize_t squared = 0;
    if (word == 4 && rows == LINE / 4)
        for (; squared + 4 <= columns; squared += 4)
            for (Py_ssize_t row = 0; row < rows; row += 4)
                turn_square(target + squared * step + row * word, step, buffer + row * PITCH + squared * word);
    turn_words(target + squared * step, step, buffer + squared * word, rows, columns - squared, word);
}

static void fetch(char *buffer, const char *source, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t left, Py_ssize_t nbytes)
{
    for (Py_ssize_t row = 0; row < rows; row++, source += step, buffer += PITCH) {
        if (row + AHEAD < left)
            for (Py_ssize_t at = 0; at < nbytes; at += LINE)
                __builtin_prefetch(source + AHEAD * step + at, 0, 2);
        Py_ssize_t at = 0;
        for (; at + LINE <= nbytes; at += LINE) /* of a known length: one of a few hundred bytes is slow to begin */
            memcpy(buffer + at, source + at, LINE);
        if (at < nbytes)
            memcpy(buffer + at, source + at, (size_t)(nbytes - at));
    }
}

static inline void turn_plane(const Plane plane, const Py_ssize_t word)
{
    _Alignas(LINE) char buffer[LINE / 2 * PITCH];
    const Py_ssize_t most_rows = LINE / word, most_columns = RUN / word;
    for (Py_ssize_t column = 0; column < plane.columns; column += most_columns) {
        const Py_ssize_t columns = Py_MIN(most_columns, plane.columns - column);
        for (Py_ssize_t row = 0; row < plane.rows; row += most_rows) {
            const Py_ssize_t left = plane.rows - row, rows = Py_MIN(most_rows, left);
            fetch(buffer, plane.source + row * plane.source_step + column * word, plane.source_step, rows, left,
                  columns * word);
            turn_rows(plane.target + column * plane.target_step + row * word, plane.target_step, buffer, rows, columns,
                      word);
        }
    }
}

static void turn_plane_of(const Plane plane, Py_ssize_t word)
{
    switch (word) {
    case 2: turn_plane(plane, 2); break;
    case 4: turn_plane(plane, 4); break;
    case 8: turn_plane(plane, 8); break;
    }
}

/* What is turned: both buffers have these axes. The last one runs along the source's words, ``along`` along the target's. */
typedef struct {
    Py_buffer target, source;
    int along;
} Turn;

/* A plane for every index of the axes that are neither. */
static void turn_axes(const Turn *turn, int axis, char *target, const char *source)
{
    const int last = turn->source.ndim - 1;
    if (axis == turn->along)
        axis++;
    if (axis >= last) {
        const Plane plane = {target, source, turn->target.strides[last], turn->source.strides[turn->along],
                             turn->source.shape[turn->along], turn->source.shape[last]};
        turn_plane_of(plane, turn->source.itemsize);
        return;
    }
    for (Py_ssize_t index = 0; index < turn->source.shape[axis]; index++) {
        turn_axes(turn, axis + 1, target, source);
        target += turn->target.strides[axis];
        source += turn->source.strides[axis];
    }
}

static int are_alike(const Turn *turn)
{
    const Py_buffer *target = &turn->target, *source = &turn->source;
    return target->itemsize == source->itemsize && target->ndim == source->ndim &&
           memcmp(target->shape, source->shape, sizeof(Py_ssize_t) * (size_t)source->ndim) == 0;
}

/* Whether there are planes, and neither of their sides is short. Finds the axis that runs along the target's words. */
static int has_planes(Turn *turn)
{
    const Py_buffer *target = &turn->target, *source = &turn->source;
    const Py_ssize_t word = source->itemsize;
    const int last = source->ndim - 1;
    if (last < 1 || (word != 2 && word != 4 && word != 8) || source->strides[last] != word)
        return 0;
    for (turn->along = 0; turn->along < last; turn->along++)
        if (target->strides[turn->along] == word && source->shape[turn->along] >= SHORTEST)
            return source->shape[last] >= SHORTEST;
    return 0;
}

static PyObject *turn(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *target, *source;
    Turn asked = {.along = 0};
    if (!PyArg_ParseTuple(arguments, "OO:turn", &target, &source))
        return NULL;
    if (PyObject_GetBuffer(target, &asked.target, PyBUF_STRIDED) != 0)
        return NULL;
    if (PyObject_GetBuffer(source, &asked.source, PyBUF_STRIDED_RO) != 0) {
        PyBuffer_Release(&asked.target);
        return NULL;
    }
    const int alike = are_alike(&asked), turned = alike && has_planes(&asked);
    if (turned) {
        Py_BEGIN_ALLOW_THREADS
        turn_axes(&asked, 0, asked.target.buf, asked.source.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&asked.source);
    PyBuffer_Release(&asked.target);
    if (!alike) {
        PyErr_SetString(PyExc_ValueError, "expected two arrays of one shape and one size of elements");
        return NULL;
    }
    return PyBool_FromLong(turned);
}

static PyMethodDef functions[] = {
    {"turn", turn, METH_VARARGS,
     "turn(target, source)\n--\n\n"
     "Copies ``source`` into ``target``, without the interpreter's lock, and says whether it did.\n\n"
     "It does if their words are of 2, 4 or 8 bytes, the source's last axis runs along them, another axis along the\n"
     "target's, and both are of some length. Raises ValueError for two shapes, BufferError for a read-only target."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "words", "Arrays of words, in C.", -1, functions,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_words(void)
{
    return PyModule_Create(&definition);
}
