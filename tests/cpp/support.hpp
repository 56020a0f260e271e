// What the C++ tests need: the checks of check.h for C++ types, servers and clients that clean up after
// themselves.
#ifndef SUPPORT_HPP
#define SUPPORT_HPP

#include "check.h"
#include "server.h"

#include <refold.hpp>
// Twice, for every program may do that.
#include <refold.hpp>

#include <cstdlib>
#include <string>

using namespace std::chrono_literals;

#define RUNNING "{\"status\": \"RUNNING\"}"
#define COMPLETED "{\"status\": \"COMPLETED\"}"

// nullptr wants nothing to be there.
inline bool check_text(std::optional<std::string_view> got, const char *want, const char *file, int line,
                       const char *expression) {
    if (!got || want == nullptr)
        return check_str(got ? std::string(*got).c_str() : nullptr, want, file, line, expression);
    return check_bytes(got->data(), got->size(), want, strlen(want), file, line, expression);
}

#define CHECK_TEXT(got, want) check_text((got), (want), __FILE__, __LINE__, #got)

// The error that a call must throw; one with code::ok where it throws none.
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
    // These answers, one a request, the last one for all that follow.
    template <class... Responses>
    explicit scripted_server(const Responses &...responses)
        : scripted_server({responses...}, sizeof...(responses)) {}

    scripted_server(const scripted_server &) = delete;
    scripted_server &operator=(const scripted_server &) = delete;

    ~scripted_server() { server_stop(server_); }

    // With some key, and without retries.
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

// Nothing is answered until the client or the server goes away.
inline response silence() {
    response response{};
    response.silent = true;
    response.ending = HOLD;
    return response;
}

// The sandbox that tests/cpp.sh has started.
inline refold::options sandbox() {
    refold::options options;
    options.set_base_url(std::getenv("SANDBOX_URL")).set_api_key("tk_sandbox", "user_12345");
    options.set_poll_interval(50ms).set_max_retries(0);
    return options;
}

#endif
