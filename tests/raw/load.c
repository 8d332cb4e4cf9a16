/* Checks that bindings/elixir/c_src/atoms.h names each status as the library does: load LIBRARY */
#include "../../bindings/elixir/c_src/atoms.h"

#include <dlfcn.h>
#include <stargate.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ROW(value, atom) {value, #atom},

static const struct {
    int32_t value;
    const char *atom;
} rows[] = {STARGATE_STATUSES(ROW)}, others[] = {STARGATE_STATES(ROW) STARGATE_OUTCOMES(ROW) STARGATE_LOG_LEVELS(ROW)};

int main(int argc, char **argv)
{
    void *library = dlopen(argc > 1 ? argv[1] : "libstargate.so", RTLD_NOW);
    void *found = library != NULL ? dlsym(library, "stargate_status_name") : NULL;
    const char *(*status_name)(stargate_status status) = NULL;
    size_t i;

    if (found == NULL) {
        fprintf(stderr, "load.c: %s\n", dlerror());
        return 1;
    }
    memcpy(&status_name, &found, sizeof found);

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcasecmp(status_name(rows[i].value) + strlen("STARGATE_"), rows[i].atom) != 0) {
            fprintf(stderr, "load.c: %s\n", rows[i].atom);
            return 1;
        }
    printf("%d statuses, %d others\n", (int)i, (int)(sizeof others / sizeof others[0]));
    return 0;
}
