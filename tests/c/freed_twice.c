/* Frees a text twice, which is the caller's mistake: that the address sanitizer sees it shows that it looks at all. */
#include <stargate.h>

#include <stdio.h>

int main(void)
{
    stargate_client *client = NULL;
    char *text = NULL;

    if (stargate_client_new("ws://127.0.0.1:9", NULL, &client, NULL) != STARGATE_OK
        || stargate_client_stats_json(client, &text, NULL) != STARGATE_OK)
        return 0;
    stargate_string_free(text);
    stargate_string_free(text);
    puts("still here");
    return 0;
}
