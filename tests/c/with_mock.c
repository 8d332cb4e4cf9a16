/*
 * Runs a command with a mock broker at PULSAR_URL: with_mock COMMAND ARGUMENTS...
 *
 * So the tests that are written for a real broker run on the mock, too: with_mock ctest --test-dir BUILD
 */
#define _POSIX_C_SOURCE 200809L
#include <stargate_mock.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    stargate_mock *mock = NULL;
    stargate_error *error = NULL;
    int status = 0;
    pid_t child;

    if (argc < 2) {
        fprintf(stderr, "with_mock COMMAND ARGUMENTS...\n");
        return 2;
    }
    if (stargate_mock_start(NULL, &mock, &error) != STARGATE_OK) {
        fprintf(stderr, "%s\n", stargate_error_message(error).ptr);
        return 2;
    }
    setenv("PULSAR_URL", stargate_mock_url(mock).ptr, 1);
    child = fork();
    if (child == 0) {
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("with_mock");
        status = 1;
    }
    stargate_mock_free(mock);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
