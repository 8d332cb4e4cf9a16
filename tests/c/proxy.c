#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

static const char login[] = "\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n"; /* me:secret */
static const char opened[] = "HTTP/1.1 200 Connection established\r\n\r\n";
static const char refused[] = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n";

static int listener;
static counter *counted;

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address;

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* Sends all bytes; 0 if the other side is gone. */
static int pass_on(int to, const char *bytes, ssize_t length)
{
    while (length > 0) {
        ssize_t sent = send(to, bytes, (size_t)length, MSG_NOSIGNAL);

        if (sent <= 0)
            return 0;
        bytes += sent;
        length -= sent;
    }
    return 1;
}

/* Passes bytes on in both directions until one side ends. */
static void relay(int client, int server)
{
    struct pollfd ends[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    char bytes[4096];
    int from;

    while (poll(ends, 2, -1) > 0)
        for (from = 0; from < 2; from++)
            if (ends[from].revents != 0) {
                ssize_t length = recv(ends[from].fd, bytes, sizeof bytes, 0);

                if (length <= 0 || !pass_on(ends[1 - from].fd, bytes, length))
                    return;
            }
}

static void *serve(void *connection)
{
    int client = (int)(intptr_t)connection;
    char head[2048] = "";
    size_t length = 0;
    int port = 0;

    /* Byte by byte, because what follows the head is the server's. */
    while (strstr(head, "\r\n\r\n") == NULL && length + 1 < sizeof head && recv(client, head + length, 1, 0) == 1)
        head[++length] = '\0';
    if (sscanf(head, "CONNECT 127.0.0.1:%d HTTP/1.1", &port) != 1 || strstr(head, login) == NULL) {
        pass_on(client, refused, sizeof refused - 1);
    } else {
        struct sockaddr_in address = loopback(port);
        int server = socket(AF_INET, SOCK_STREAM, 0);

        CHECK(server >= 0);
        if (connect(server, (struct sockaddr *)&address, sizeof address) == 0) {
            counter_add(counted);
            if (pass_on(client, opened, sizeof opened - 1))
                relay(client, server);
        }
        close(server);
    }
    close(client);
    return NULL;
}

static void start(void *(*run)(void *), void *argument)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, run, argument) == 0);
    CHECK(pthread_detach(thread) == 0);
}

static void *accept_all(void *unused)
{
    int client;

    (void)unused;
    while ((client = accept(listener, NULL, NULL)) >= 0)
        start(serve, (void *)(intptr_t)client);
    return NULL;
}

int proxy_start(counter *tunnels)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;

    counted = tunnels;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 16) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    start(accept_all, NULL);
    return ntohs(address.sin_port);
}
