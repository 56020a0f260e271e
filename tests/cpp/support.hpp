// Support for the C++ tests: checks of C++ types on top of check.h, and servers and clients that clean up
// after themselves.
#ifndef SUPPORT_HPP
#define SUPPORT_HPP

#include "check.h"
#include "server.h"

#include <refold.hpp>
// Included twice, as a program may do.
#include <refold.hpp>

#include <cstdlib>
#include <string>

using namespace std::chrono_literals;

#define RUNNING "{\"status\": \"RUNNING\"}"
#define COMPLETED "{\"status\": \"COMPLETED\"}"

// A `want` of nullptr means absent.
inline bool check_text(std::optional<std::string_view> got, const char *want, const char *file, int line,
                       const char *expression) {
    if (!got || want == nullptr)
        return check_str(got ? std::string(*got).c_str() : nullptr, want, file, line, expression);
    return check_bytes(got->data(), got->size(), want, strlen(want), file, line, expression);
}

#define CHECK_TEXT(got, want) check_text((got), (want), __FILE__, __LINE__, #got)

// Returns the error that a call throws. Fails if it throws none, and returns code::ok.
template <class Call> refold::error error_of(Call call) {
    try {
        call();
    } catch (const refold::error &error) {
        return error;
    }
    FAIL("nothing was thrown");
    return {refold::code::ok, "nothing was thrown"};
}

template <class Call> refold::code code_of(Call call) { return error_of(call).code(); }

// A scripted server; see server.h.
class scripted_server {
public:
    // Sends one of these responses per request, and the last one to all further requests.
    template <class... Responses>
    explicit scripted_server(const Responses &...responses)
        : scripted_server({responses...}, sizeof...(responses)) {}

    scripted_server(const scripted_server &) = delete;
    scripted_server &operator=(const scripted_server &) = delete;

    ~scripted_server() { server_stop(server_); }

    // Options with an API key and without retries.
    refold::options options() const {
        refold::options options;
        options.set_base_url(server_url(server_)).set_api_key("tk_key", "someone").set_max_retries(0);
        options.set_timeout(20s * check_patience()).set_poll_interval(10ms);
        return options;
    }

    refold::client client() const { return refold::client(options()); }

    void await_request() const { CHECK(server_await_requests(server_, 1, 10000)); }

    std::string head() const {
        const char *head = server_head(server_, 0);
        return head == nullptr ? "" : head;
    }

private:
    scripted_server(std::initializer_list<response> responses, std::size_t count)
        : server_(serve_responses(count, responses.begin())) {}

    server *server_;
};

inline response body(const char *text) {
    response response{};
    response.body = text;
    return response;
}

inline response status(int status, const char *text, const char *headers = nullptr) {
    response response = body(text);
    response.status = status;
    response.headers = headers;
    return response;
}

// No response at all, until the client or the server closes the connection.
inline response silence() {
    response response{};
    response.silent = true;
    response.ending = HOLD;
    return response;
}

// Options for the sandbox that tests/cpp.sh starts.
inline refold::options sandbox() {
    refold::options options;
    options.set_base_url(std::getenv("SANDBOX_URL")).set_api_key("tk_sandbox", "user_12345");
    options.set_poll_interval(50ms).set_max_retries(0);
    return options;
}

#endif
