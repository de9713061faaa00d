/* Arrays turned round: what lies in columns comes to lie in rows. For words of 2, 4 and 8 bytes.

   DEEP rows of the source are fetched in runs into a buffer, while the rows that come AHEAD of them are asked for; from
   there the target's rows are written a few at a time, in pieces DEEP words long. Strides of a power of two fall onto the
   same lines of the cache. That is why the buffer's rows lie a cache line further apart than they are long, and why no
   more than eight of the target's rows are under way at once: lines of 64 of them pushed each other out.

   Words are moved, never computed with: a NaN keeps its payload. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <string.h>

enum { LINE = 64, RUN = 512, PITCH = RUN + LINE, DEEP = 128, AHEAD = 32, SHORTEST = 16 };

/* target[column][row] = source[row][column]. A step is the distance in bytes from one row to the next. */
typedef struct {
    char *target;
    const char *source;
    Py_ssize_t target_step, source_step, rows, columns;
} Plane;

/* SIDE words of SIDE rows, 16 bytes of each. Half of the rows are shuffled into the other half: a perfect shuffle, which
   turns the square when it is done as often as SIDE can be halved. */
#define DEFINE_SQUARE(name, Word, SIDE, LOW, HIGH)                                                                      \
    static inline void name(char *target, Py_ssize_t step, const char *buffer)                                          \
    {                                                                                                                   \
        typedef Word Vector __attribute__((vector_size(16)));                                                           \
        Vector rows[SIDE], shuffled[SIDE];                                                                              \
        for (int i = 0; i < SIDE; i++)                                                                                  \
            memcpy(&rows[i], buffer + i * PITCH, sizeof(Vector));                                                       \
        for (int half = SIDE / 2; half > 0; half /= 2) {                                                                \
            for (int i = 0; i < SIDE / 2; i++) {                                                                        \
                shuffled[2 * i] = __builtin_shufflevector(rows[i], rows[i + SIDE / 2], LOW);                            \
                shuffled[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + SIDE / 2], HIGH);                       \
            }                                                                                                           \
            memcpy(rows, shuffled, sizeof rows);                                                                        \
        }                                                                                                               \
        for (int i = 0; i < SIDE; i++)                                                                                  \
            memcpy(target + i * step, &rows[i], sizeof(Vector));                                                        \
    }
#define LIST(...) __VA_ARGS__

DEFINE_SQUARE(turn_8_by_8, unsigned short, 8, LIST(0, 8, 1, 9, 2, 10, 3, 11), LIST(4, 12, 5, 13, 6, 14, 7, 15))
DEFINE_SQUARE(turn_4_by_4, unsigned, 4, LIST(0, 4, 1, 5), LIST(2, 6, 3, 7))
DEFINE_SQUARE(turn_2_by_2, unsigned long long, 2, LIST(0, 2), LIST(1, 3))

static inline void turn_square(char *target, Py_ssize_t step, const char *buffer, const Py_ssize_t word)
{
    switch (word) {
    case 2: turn_8_by_8(target, step, buffer); break;
    case 4: turn_4_by_4(target, step, buffer); break;
    case 8: turn_2_by_2(target, step, buffer); break;
    }
}

static inline void turn_words(char *target, Py_ssize_t step, const char *buffer, Py_ssize_t rows, Py_ssize_t columns,
                              const Py_ssize_t word)
{
    for (Py_ssize_t column = 0; column < columns; column++)
        for (Py_ssize_t row = 0; row < rows; row++)
            memcpy(target + column * step + row * word, buffer + row * PITCH + column * word, (size_t)word);
}

/* Squares as far as they go, single words beside and below them. */
static inline void turn_rows(char *target, Py_ssize_t step, const char *buffer, Py_ssize_t rows, Py_ssize_t columns,
                             const Py_ssize_t word)
{
    const Py_ssize_t side = 16 / word, deep = rows - rows % side, wide = columns - columns % side;
    for (Py_ssize_t column = 0; column < wide; column += side)
        for (Py_ssize_t row = 0; row < deep; row += side)
            turn_square(target + column * step + row * word, step, buffer + row * PITCH + column * word, word);
    turn_words(target + deep * word, step, buffer + deep * PITCH, rows - deep, wide, word);
    turn_words(target + wide * step, step, buffer + wide * word, rows, columns - wide, word);
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
    _Alignas(LINE) char buffer[DEEP * PITCH];
    const Py_ssize_t most_columns = RUN / word;
    for (Py_ssize_t column = 0; column < plane.columns; column += most_columns) {
        const Py_ssize_t columns = Py_MIN(most_columns, plane.columns - column);
        for (Py_ssize_t row = 0; row < plane.rows; row += DEEP) {
            const Py_ssize_t left = plane.rows - row, rows = Py_MIN(DEEP, left);
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
