// A connection over TLS that shows a token, which is asked for at each connect, so that it may expire and be renewed.
//
//     PULSAR_WSS_URL=wss://broker:8443 PULSAR_CA_FILE=ca.pem PULSAR_TOKEN=... ./tls_token
//
// Without PULSAR_CA_FILE the system's authorities are trusted. Certificates are verified in any case.
#include <stargate.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

int main()
{
    const char *url = std::getenv("PULSAR_WSS_URL"), *authority = std::getenv("PULSAR_CA_FILE"),
               *secret = std::getenv("PULSAR_TOKEN");
    if (url == nullptr || secret == nullptr) {
        std::cerr << "PULSAR_WSS_URL and PULSAR_TOKEN say where to and who\n";
        return 2;
    }
    stargate::options options;
    if (authority != nullptr)
        options.set("tls_ca_file", authority);
    // A real one would ask the issuer of the tokens. It runs on a thread of the library and may block.
    options.on_token([token = std::string(secret)] { return token; });
    try {
        stargate::client client(url, options);
        auto producer = client.open_producer("example-tls", {}, 10s);
        std::cout << "stored as " << producer.send("for your eyes only", 10s).message_id << '\n';
        client.close(10s);
        return 0;
    } catch (const stargate::exception &failed) {
        std::cerr << failed.what() << '\n';
        return 1;
    }
}
