/* The C library, loaded at run time: which one is not known when this file is compiled. */
#ifndef STARGATE_NIF_LIBRARY_H
#define STARGATE_NIF_LIBRARY_H

#include <stargate.h>
#include <stargate_mock.h>

#include "functions.h"

struct library {
#define DECLARE(function) __typeof__(function) *function;
    STARGATE_FUNCTIONS(DECLARE)
    STARGATE_MOCK_FUNCTIONS(DECLARE)
#undef DECLARE
};

/* Every function of the library, once library_open has found one. Without a mock in it, those of the mock are NULL. */
extern struct library lib;

enum library_status { LIBRARY_OPEN, LIBRARY_MISSING, LIBRARY_INCOMPLETE, LIBRARY_INCOMPATIBLE };

/* Opens the library at a path. *text says what is wrong, or which version it is; it is never freed. */
enum library_status library_open(const char *path, const char **text);

int library_is_open(void);

/* Keeps this code in memory: threads of the library call it until the process ends. */
void library_keep_caller(void);

#endif
