#define _GNU_SOURCE
#include "library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

struct library lib;

static int is_open;

struct entry {
    const char *name;
    size_t offset;
    int required;
};

static const struct entry ENTRIES[] = {
#define REQUIRED(function) {#function, offsetof(struct library, function), 1},
#define OPTIONAL(function) {#function, offsetof(struct library, function), 0},
    STARGATE_FUNCTIONS(REQUIRED) STARGATE_MOCK_FUNCTIONS(OPTIONAL)
#undef REQUIRED
#undef OPTIONAL
};

enum library_status library_open(const char *path, const char **text)
{
    if (is_open) {
        *text = lib.stargate_version();
        return LIBRARY_OPEN;
    }
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        *text = dlerror();
        return LIBRARY_MISSING;
    }
    struct library found;
    const char *lacking = NULL;
    for (size_t i = 0; i < sizeof ENTRIES / sizeof *ENTRIES; i++) {
        void *function = dlsym(library, ENTRIES[i].name);
        memcpy((char *)&found + ENTRIES[i].offset, &function, sizeof function);
        if (function == NULL && ENTRIES[i].required && lacking == NULL)
            lacking = ENTRIES[i].name;
    }
    if (found.stargate_version == NULL || found.stargate_version_compatible == NULL) {
        *text = "stargate_version";
        return LIBRARY_INCOMPLETE;
    }
    if (!found.stargate_version_compatible(STARGATE_VERSION_NUMBER)) {
        *text = found.stargate_version();
        return LIBRARY_INCOMPATIBLE;
    }
    if (lacking != NULL) {
        *text = lacking;
        return LIBRARY_INCOMPLETE;
    }
    lib = found;
    is_open = 1;
    *text = lib.stargate_version();
    return LIBRARY_OPEN;
}

int library_is_open(void)
{
    return is_open;
}

void library_keep_caller(void)
{
    Dl_info self;

    if (dladdr((void *)&library_keep_caller, &self) != 0)
        dlopen(self.dli_fname, RTLD_NOW | RTLD_NODELETE);
}
