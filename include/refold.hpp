/**
 * \page cpp refold for C++
 *
 * refold.hpp is a header-only C++17 layer over refold.h. Link with the same library. A complete program:
 *
 * \code{.cpp}
 * #include <iostream>
 * #include <refold.hpp>
 *
 * int main(int argc, char **argv) try {
 *     const refold::client client(refold::options::from_env());
 *     const refold::execution execution = client.get(argc > 1 ? argv[1] : nullptr);
 *     std::cout << refold::printable(execution.status()) << '\n';
 *     for (const refold::node node : execution.nodes())
 *         std::cout << "  " << refold::printable(node.name().value_or("-")) << ": "
 *                   << refold::printable(node.status().value_or("-")) << '\n';
 * } catch (const refold::error &error) {
 *     std::cerr << refold::printable(error.what()) << '\n';
 *     return 1;
 * }
 * \endcode
 *
 * Everything that refold.h documents applies here too: timeouts, retries, limits, trust, proxies, secrets,
 * the environment and fork, and the details of each function, which has the same name here without its
 * prefix. The following conventions of the C++ layer apply to every class and are not repeated there.
 *
 * Ownership
 * ---------
 * refold::options, refold::client, refold::cancel_token, refold::queue and refold::execution own their object
 * and free it in their destructor. They can be destroyed in any order. They can be moved but not copied;
 * execution::share() adds an owner to an execution. A moved-from object is empty: accessors return absent
 * values, setters do nothing, and calls fail with code::invalid_argument. refold::error can be copied like
 * any exception.
 *
 * Views
 * -----
 * refold::node, refold::json, ranges of them, and every std::string_view are views: small, cheap to copy, and
 * valid as long as an owner of their execution (or a copy of their error) exists, even if the owner is moved.
 * Functions that would return a view of a temporary execution are deleted: give the execution a name.
 *
 * Absent values
 * -------------
 * A field that the document may lack is a std::optional. A field that is null, or has an unexpected type,
 * counts as absent. A refold::json may itself be absent, so lookups can be chained without checking each
 * step; see json::exists().
 *
 * Strings
 * -------
 * A string parameter is a refold::text_argument, which is constructed implicitly from a const char *, a
 * std::string or a std::string_view. A null pointer means the same as NULL in C. Returned strings are UTF-8.
 * As in C, a string that contains U+0000 is cut off there, except in json::string(), json::raw() and
 * member::key. Texts, messages of errors included, are as the server sent them: pass them through
 * refold::printable() before they reach a terminal or a log.
 *
 * Errors
 * ------
 * Failures throw refold::error. The only other exception that originates here is std::bad_alloc. Functions
 * declared noexcept never throw. What a progress callable throws ends the wait and is rethrown by
 * client::wait(); what a callable of a queue throws leaves the function that runs it, such as
 * queue::run_ready(); what a log or notify callable throws is caught and dropped.
 *
 * Threads
 * -------
 * As in C, any number of threads may use the same object at the same time, except for refold::options. An
 * object must not be moved from, assigned or destroyed while another use of it begins.
 *
 * Event loops
 * -----------
 * refold::queue makes many calls at a time on few threads. Their results reach callables that run in your
 * event loop, C++20 coroutines, or futures.
 */

/**
 * \file refold.hpp
 * \brief The C++ interface.
 */

#ifndef REFOLD_HPP
#define REFOLD_HPP

#include "refold.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>

#if __cplusplus >= 202002L
#include <ranges>
#endif
#ifdef __cpp_impl_coroutine
#include <atomic>
#include <coroutine>
#endif

/** The C++ interface of librefold. */
namespace refold {

class execution;
class outcome;
class queue;

/* Codes, states and types -------------------------------------------------------------------------------- */

/** Returns the version of the loaded library. REFOLD_VERSION is the version of the headers. */
inline std::string_view version() noexcept { return refold_version(); }

/**
 * The code of an error: the HTTP status of the server's response, or a negative number if there was no usable
 * response. Any number may occur, not only the named ones.
 */
enum class code : std::int32_t {
    /** Success. */
    ok = REFOLD_OK,
    /** The server considers the request invalid. */
    bad_request = REFOLD_ERROR_BAD_REQUEST,
    /** The server did not accept the API key, the linked account or the session token. */
    unauthorized = REFOLD_ERROR_UNAUTHORIZED,
    /** The credentials are valid but do not permit this request. */
    forbidden = REFOLD_ERROR_FORBIDDEN,
    /** There is no execution with this id, or these credentials cannot see it. */
    not_found = REFOLD_ERROR_NOT_FOUND,
    /** The server timed out waiting for the request. Not to be confused with code::timeout. */
    request_timeout = REFOLD_ERROR_REQUEST_TIMEOUT,
    /** The request conflicts with the current state of the resource. */
    conflict = REFOLD_ERROR_CONFLICT,
    /** The server understood the request but cannot process it. */
    unprocessable_entity = REFOLD_ERROR_UNPROCESSABLE_ENTITY,
    /** Too many requests in a short time; see error::retry_after(). */
    too_many_requests = REFOLD_ERROR_TOO_MANY_REQUESTS,
    /** The server failed. */
    internal_server_error = REFOLD_ERROR_INTERNAL_SERVER_ERROR,
    /** The server does not support this request. */
    not_implemented = REFOLD_ERROR_NOT_IMPLEMENTED,
    /** A gateway received no valid response from its upstream server. */
    bad_gateway = REFOLD_ERROR_BAD_GATEWAY,
    /** The server is temporarily unavailable. */
    service_unavailable = REFOLD_ERROR_SERVICE_UNAVAILABLE,
    /** A gateway received no response in time from its upstream server. */
    gateway_timeout = REFOLD_ERROR_GATEWAY_TIMEOUT,
    /** An argument or a setting is invalid. The message names it, and nothing was sent. */
    invalid_argument = REFOLD_ERROR_INVALID_ARGUMENT,
    /** A cancel token was triggered, or a progress callable returned false. */
    cancelled = REFOLD_ERROR_CANCELLED,
    /** The timeout of the call or wait expired; see error::cause(). */
    timeout = REFOLD_ERROR_TIMEOUT,
    /** The host name has no address, or the lookup failed. */
    resolve = REFOLD_ERROR_RESOLVE,
    /** No connection could be established in time, or the proxy refused the request. */
    connect = REFOLD_ERROR_CONNECT,
    /** No trusted TLS session could be established: the certificate or the handshake failed. */
    tls = REFOLD_ERROR_TLS,
    /** The connection was lost before the response was complete, the response is not valid HTTP, or the body
     * ends in the middle of its JSON or gzip stream. */
    transport = REFOLD_ERROR_TRANSPORT,
    /** The server reported success, but the body is not an execution. */
    invalid_response = REFOLD_ERROR_INVALID_RESPONSE,
    /**
     * The body, or the memory for its nodes, exceeds options::set_max_response_bytes(), or the header exceeds
     * 64 KiB or 128 fields.
     */
    response_too_large = REFOLD_ERROR_RESPONSE_TOO_LARGE,
    /** A defect in the library, caught before it could do harm. Please report it. */
    internal = REFOLD_ERROR_INTERNAL,
    /** The process has run out of file descriptors, threads or memory. */
    resource = REFOLD_ERROR_RESOURCE,
};

/** Returns the name of a code for messages and logs, such as "NOT_FOUND"; see refold_code_name(). */
inline std::string_view name(code value) noexcept {
    return refold_code_name(static_cast<refold_code>(value));
}

/** The state of an execution or a node: the server's texts for the status, mapped to one scale. */
enum class state : std::int32_t {
    /** The status is absent, or unknown to this version. */
    unknown = REFOLD_STATE_UNKNOWN,
    /** Not started. */
    ready = REFOLD_STATE_READY,
    /** In progress. */
    running = REFOLD_STATE_RUNNING,
    /** Waiting for something. */
    waiting = REFOLD_STATE_WAITING,
    /** Requested to stop, but not stopped yet. */
    stopping = REFOLD_STATE_STOPPING,
    /** Completed successfully; final. */
    completed = REFOLD_STATE_COMPLETED,
    /** Failed; final. */
    errored = REFOLD_STATE_ERRORED,
    /** Failed, and the run continued without it; final. */
    skipped = REFOLD_STATE_SKIPPED,
    /** Stopped; final. */
    stopped = REFOLD_STATE_STOPPED,
    /** Timed out; final. */
    timed_out = REFOLD_STATE_TIMED_OUT,
    /** Rejected; final. */
    rejected = REFOLD_STATE_REJECTED,
};

/** Returns whether a state is final, that is, will not change any more. */
inline bool is_final(state value) noexcept { return refold_state_is_final(static_cast<refold_state>(value)); }

/** Returns whether a state is a failure, that is, final and not state::completed. */
inline bool is_failure(state value) noexcept {
    return refold_state_is_failure(static_cast<refold_state>(value));
}

/** Returns the name of a state for messages and logs, such as "COMPLETED". */
inline std::string_view name(state value) noexcept {
    return refold_state_name(static_cast<refold_state>(value));
}

/** The type of a JSON value. */
enum class json_type : std::int32_t {
    /** null, or no value at all; json::exists() distinguishes them. */
    null = REFOLD_JSON_NULL,
    /** true or false. */
    boolean = REFOLD_JSON_BOOL,
    /** A number. */
    number = REFOLD_JSON_NUMBER,
    /** A string. */
    string = REFOLD_JSON_STRING,
    /** An array: a sequence of elements. */
    array = REFOLD_JSON_ARRAY,
    /** An object: members with a key and a value, in the order in which they were sent. */
    object = REFOLD_JSON_OBJECT,
};

/** How much is logged. Each level includes those before it. */
enum class log_level : std::int32_t {
    /** Nothing. */
    off = REFOLD_LOG_OFF,
    /**
     * Problems that calls recover from: retries and failed polls, with the reason and the pause that follows,
     * and each connection that was lost while idle.
     */
    warn = REFOLD_LOG_WARN,
    /** The end of each call and poll: status or error, attempts, times, bytes, connection and request id. */
    info = REFOLD_LOG_INFO,
    /**
     * Each phase of a call: lookups and addresses, connection attempts, proxy, TLS version, cipher suite and
     * certificate, reuse of connections, header fields.
     */
    debug = REFOLD_LOG_DEBUG,
};

/* Text to print ------------------------------------------------------------------------------------------ */

namespace detail {

/* No character has this number. */
inline constexpr char32_t not_utf8 = 0x110000;

/* Removes the first character from `text`, which must not be empty, and returns it, or not_utf8. */
inline char32_t take_character(std::string_view &text) noexcept {
    const auto byte = [&text](std::size_t index) { return static_cast<unsigned char>(text[index]); };
    const unsigned char first = byte(0);
    std::size_t length = first < 0x80   ? 1
                         : first < 0xC2 ? 0
                         : first < 0xE0 ? 2
                         : first < 0xF0 ? 3
                         : first < 0xF5 ? 4
                                        : 0;
    char32_t character = length < 2 ? first : first & (0x7FU >> length);
    for (std::size_t i = 1; i < length; i++) {
        if (i >= text.size() || (byte(i) & 0xC0) != 0x80)
            length = 0;
        else
            character = character << 6 | (byte(i) & 0x3FU);
    }
    const char32_t smallest = length == 3 ? 0x800 : length == 4 ? 0x10000 : 0;
    const bool is_surrogate = character >= 0xD800 && character <= 0xDFFF;
    if (length == 0 || character < smallest || is_surrogate || character >= not_utf8) {
        length = 1;
        character = not_utf8;
    }
    text.remove_prefix(length);
    return character;
}

inline bool is_printable(char32_t character) noexcept {
    return !(character < 0x20 || (character >= 0x7F && character <= 0x9F) || character == 0x061C ||
             character == 0x200E || character == 0x200F || (character >= 0x2028 && character <= 0x202E) ||
             (character >= 0x2066 && character <= 0x2069) || character >= not_utf8);
}

} // namespace detail

/**
 * Returns `text` as one line that is safe to print. Texts of a server may contain escape sequences for the
 * terminal, forged lines, and controls that reorder what a line shows. Tabs and ends of lines become blanks;
 * every other control character (C0, DEL, C1), U+2028, U+2029, the controls of the direction of text (U+061C,
 * U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069) and bytes that are not UTF-8 become "?".
 */
inline std::string printable(std::string_view text) {
    std::string line;
    line.reserve(text.size());
    while (!text.empty()) {
        const std::string_view rest = text;
        const char32_t character = detail::take_character(text);
        if (detail::is_printable(character))
            line.append(rest.substr(0, rest.size() - text.size()));
        else
            line.push_back(character == '\t' || character == '\n' || character == '\r' ? ' ' : '?');
    }
    return line;
}

/* Times -------------------------------------------------------------------------------------------------- */

/**
 * How long a call and its parts took; a part that the call did not go through is absent.
 *
 * All parts but the total are of the last attempt, and follow one another. Times come from a monotonic clock
 * and are rounded down, so the total is at least the sum of the parts.
 */
struct timings {
    /**
     * The call from its beginning to its end, with all attempts and the pauses between them. Of a snapshot
     * that a wait obtained: the poll that obtained it. Of the error of a wait: the whole wait.
     */
    std::optional<std::chrono::microseconds> total;
    /** The lookup of host names. Absent for an address, for localhost, and on a reused connection. */
    std::optional<std::chrono::microseconds> resolve;
    /** Connecting, including the dialogue with a proxy. Absent on a reused connection. */
    std::optional<std::chrono::microseconds> connect;
    /** The TLS handshake. Absent without TLS, and on a reused connection. */
    std::optional<std::chrono::microseconds> tls;
    /** From the first byte of the request to the first byte of the response. */
    std::optional<std::chrono::microseconds> first_byte;
    /** From there to the last byte of the response. */
    std::optional<std::chrono::microseconds> transfer;
};

namespace detail {

/* Reads all times of an object with a C function. */
template <auto Read, class Object> timings timings_of(const Object *object) noexcept {
    const auto part = [object](refold_timing number) noexcept -> std::optional<std::chrono::microseconds> {
        const std::int64_t count = Read(object, number);
        if (count < 0)
            return std::nullopt;
        return std::chrono::microseconds(count);
    };
    return {part(REFOLD_TIMING_TOTAL), part(REFOLD_TIMING_RESOLVE),    part(REFOLD_TIMING_CONNECT),
            part(REFOLD_TIMING_TLS),   part(REFOLD_TIMING_FIRST_BYTE), part(REFOLD_TIMING_TRANSFER)};
}

} // namespace detail

/* Error -------------------------------------------------------------------------------------------------- */

namespace detail {

/* Converts a C string that is NULL if absent. */
inline std::optional<std::string_view> optional_text(const char *text) noexcept {
    if (text == nullptr)
        return std::nullopt;
    return std::string_view(text);
}

/* Converts a count that is negative if absent. */
inline std::optional<std::int64_t> optional_count(std::int64_t count) noexcept {
    if (count < 0)
        return std::nullopt;
    return count;
}

inline std::optional<std::chrono::milliseconds> optional_milliseconds(std::int64_t count) noexcept {
    if (count < 0)
        return std::nullopt;
    return std::chrono::milliseconds(count);
}

} // namespace detail

/**
 * The reason why a call failed. what() returns a human-readable message.
 *
 * Copies share one immutable object. Views of it are valid as long as one copy exists.
 */
class error : public std::runtime_error {
public:
    /** Creates an error without a response, for example for tests. */
    error(refold::code code, const std::string &message) : std::runtime_error(message), code_(code) {}

    /** Takes ownership of an error from a C function. */
    explicit error(refold_error *owned)
        : error(std::shared_ptr<const refold_error>(owned, refold_error_free)) {}

    /** Returns the code: the HTTP status of the response, or a negative code. */
    refold::code code() const noexcept { return code_; }

    /** Returns the HTTP status that the response body reports, or else that of the response itself. */
    std::optional<int> http_status() const noexcept {
        const int status = refold_error_http_status(error_.get());
        if (status == 0)
            return std::nullopt;
        return status;
    }

    /** Returns the field `http_error_type` of the response, such as "NOT_FOUND". */
    std::optional<std::string_view> http_error_type() const noexcept {
        return detail::optional_text(refold_error_http_error_type(error_.get()));
    }

    /** Returns the field `error_code` of the response, such as "RESOURCE_NOT_FOUND", or else `error`. */
    std::optional<std::string_view> api_code() const noexcept {
        return detail::optional_text(refold_error_api_code(error_.get()));
    }

    /** Returns the id of the request, to be quoted to Refold's support. */
    std::optional<std::string_view> request_id() const noexcept {
        return detail::optional_text(refold_error_request_id(error_.get()));
    }

    /** Returns the first 65,536 bytes of the response body, which are not necessarily UTF-8. */
    std::optional<std::string_view> body() const noexcept {
        std::size_t length = 0;
        const char *bytes = refold_error_body(error_.get(), &length);
        if (bytes == nullptr)
            return std::nullopt;
        return std::string_view(bytes, length);
    }

    /** Returns how long the server asks to wait before the next attempt, counted from its response. */
    std::optional<std::chrono::milliseconds> retry_after() const noexcept {
        return detail::optional_milliseconds(refold_error_retry_after_ms(error_.get()));
    }

    /** Returns whether the same call may succeed later without a change. */
    bool is_retryable() const noexcept { return refold_error_is_retryable(error_.get()); }

    /** Returns the number of attempts that the call started. */
    std::uint32_t attempts() const noexcept { return refold_error_attempts(error_.get()); }

    /** Returns how long the call took. The part in which it ended counts up to that moment. */
    refold::timings timings() const noexcept {
        return detail::timings_of<refold_error_timing_us>(error_.get());
    }

    /**
     * Returns the failure of the last poll of a wait that ran out of time, if that poll failed; nothing for
     * any other error. It can be kept longer than this error. See refold_error_cause().
     */
    std::optional<error> cause() const {
        const refold_error *failure = refold_error_cause(error_.get());
        if (failure == nullptr)
            return std::nullopt;
        return error(std::shared_ptr<const refold_error>(error_, failure));
    }

private:
    friend class outcome;

    explicit error(std::shared_ptr<const refold_error> shared)
        : std::runtime_error(refold_error_message(shared.get())),
          code_(static_cast<refold::code>(refold_error_code(shared.get()))), error_(std::move(shared)) {}

    refold::code code_;
    std::shared_ptr<const refold_error> error_; /* NULL in an error without a C object. */
};

/* Strings ------------------------------------------------------------------------------------------------ */

/**
 * A string parameter. Constructed implicitly; callers need not name this type.
 *
 * A const char * or std::string is used in place. A std::string_view is not necessarily NUL-terminated, so it
 * is copied for the duration of the call. The copy is wiped afterwards, because it may be a secret. A string
 * that contains U+0000 is rejected with code::invalid_argument instead of being truncated.
 */
class text_argument {
public:
    /** A NUL-terminated string, or NULL; the function that takes it documents the meaning of NULL. */
    text_argument(const char *text) noexcept : text_(text) {}

    /** A string. */
    text_argument(const std::string &text) : text_(text.c_str()) { reject_nul(text); }

    /** A string that is not necessarily NUL-terminated. */
    text_argument(std::string_view text) {
        reject_nul(text);
        copy_ = std::make_unique<char[]>(text.size() + 1);
        length_ = text.copy(copy_.get(), text.size());
        text_ = copy_.get();
    }

    text_argument(const text_argument &) = delete;
    text_argument &operator=(const text_argument &) = delete;

    ~text_argument() {
        volatile char *bytes = copy_.get();
        for (std::size_t i = 0; i < length_; i++)
            bytes[i] = '\0';
    }

    /** Returns the NUL-terminated string, or NULL. */
    const char *c_str() const noexcept { return text_; }

private:
    static void reject_nul(std::string_view text) {
        if (text.find('\0') != std::string_view::npos)
            throw error(code::invalid_argument, "a string argument contains the character U+0000");
    }

    const char *text_ = nullptr;
    std::unique_ptr<char[]> copy_;
    std::size_t length_ = 0; /* Of the copy. */
};

/* Ranges ------------------------------------------------------------------------------------------------- */

/**
 * A range of nodes, elements or members, which are created on access.
 *
 * It is a random-access view for range-based for loops, algorithms and C++20 ranges. Items are values, and
 * `for (auto item : range)` copies one to three pointers for each.
 */
template <class Item, class Source, Item (*At)(const Source *, std::size_t) noexcept> class sequence {
public:
    /** The type of the items. */
    using value_type = Item;

    /** A random-access iterator whose reference type is a value. */
    class iterator {
    public:
        /** The type of the items. */
        using value_type = Item;
        /** The result of dereferencing: a value, because no item is stored. */
        using reference = Item;
        /** The distance between two iterators. */
        using difference_type = std::ptrdiff_t;
        /** For C++17 algorithms, which require real references for stronger categories. */
        using iterator_category = std::input_iterator_tag;
        /** For C++20 ranges. */
        using iterator_concept = std::random_access_iterator_tag;

        /** The result of `->`. */
        class pointer {
        public:
            /** Keeps the item alive while it is accessed. */
            explicit pointer(Item item) noexcept : item_(item) {}
            /** The item. */
            const Item *operator->() const noexcept { return &item_; }

        private:
            Item item_;
        };

        /** A singular iterator. */
        iterator() noexcept = default;
        /** An iterator at an index. */
        iterator(const Source *source, difference_type index) noexcept : source_(source), index_(index) {}

        /** \cond the operators of every random-access iterator */
        reference operator*() const noexcept { return At(source_, static_cast<std::size_t>(index_)); }
        pointer operator->() const noexcept { return pointer(**this); }
        reference operator[](difference_type offset) const noexcept { return *(*this + offset); }
        iterator &operator+=(difference_type offset) noexcept {
            index_ += offset;
            return *this;
        }
        iterator &operator-=(difference_type offset) noexcept { return *this += -offset; }
        iterator &operator++() noexcept { return *this += 1; }
        iterator &operator--() noexcept { return *this -= 1; }
        iterator operator++(int) noexcept { return std::exchange(*this, *this + 1); }
        iterator operator--(int) noexcept { return std::exchange(*this, *this - 1); }
        friend iterator operator+(iterator at, difference_type offset) noexcept { return at += offset; }
        friend iterator operator+(difference_type offset, iterator at) noexcept { return at += offset; }
        friend iterator operator-(iterator at, difference_type offset) noexcept { return at -= offset; }
        friend difference_type operator-(iterator a, iterator b) noexcept { return a.index_ - b.index_; }
        friend bool operator==(iterator a, iterator b) noexcept { return a.index_ == b.index_; }
        friend bool operator!=(iterator a, iterator b) noexcept { return a.index_ != b.index_; }
        friend bool operator<(iterator a, iterator b) noexcept { return a.index_ < b.index_; }
        friend bool operator>(iterator a, iterator b) noexcept { return a.index_ > b.index_; }
        friend bool operator<=(iterator a, iterator b) noexcept { return a.index_ <= b.index_; }
        friend bool operator>=(iterator a, iterator b) noexcept { return a.index_ >= b.index_; }
        /** \endcond */

    private:
        const Source *source_ = nullptr;
        difference_type index_ = 0;
    };

    /** The same type: items cannot be modified. */
    using const_iterator = iterator;

    /** An empty range. */
    sequence() noexcept = default;
    /** The first `size` items of a C object. */
    sequence(const Source *source, std::size_t size) noexcept : source_(source), size_(size) {}

    /** Returns the number of items. */
    std::size_t size() const noexcept { return size_; }
    /** Returns whether there are no items. */
    bool empty() const noexcept { return size_ == 0; }
    /** Returns the item at an index counted from 0, or an absent item if the index is out of range. */
    Item operator[](std::size_t index) const noexcept { return At(source_, index); }
    /** Returns an iterator to the first item. */
    iterator begin() const noexcept { return iterator(source_, 0); }
    /** Returns an iterator past the last item. */
    iterator end() const noexcept { return iterator(source_, static_cast<std::ptrdiff_t>(size_)); }

private:
    const Source *source_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace refold

#ifdef __cpp_lib_ranges
/** \cond C++20: a sequence is a view, and its iterators may outlive it */
template <class Item, class Source, Item (*At)(const Source *, std::size_t) noexcept>
inline constexpr bool std::ranges::enable_view<refold::sequence<Item, Source, At>> = true;
template <class Item, class Source, Item (*At)(const Source *, std::size_t) noexcept>
inline constexpr bool std::ranges::enable_borrowed_range<refold::sequence<Item, Source, At>> = true;
/** \endcond */
#endif

namespace refold {

/* JSON --------------------------------------------------------------------------------------------------- */

class json;
struct member;

namespace detail {

json element_at(const refold_json *array, std::size_t index) noexcept;
member member_at(const refold_json *object, std::size_t index) noexcept;

} // namespace detail

/** The elements of an array. A view. */
using elements_range = sequence<json, refold_json, detail::element_at>;

/** The members of an object. A view. */
using members_range = sequence<member, refold_json, detail::member_at>;

/**
 * A JSON value of any type within the document of an execution, or no value. A view.
 *
 * Values are parsed on first access, so a value that is not accessed costs nothing.
 */
class json {
public:
    /** No value. */
    constexpr json() noexcept = default;
    /** Wraps a value of the C interface; NULL is no value. */
    constexpr explicit json(const refold_json *value) noexcept : value_(value) {}

    /** Returns whether there is a value. null is a value. */
    constexpr bool exists() const noexcept { return value_ != nullptr; }

    /** Returns the type; json_type::null if there is no value. */
    json_type type() const noexcept { return static_cast<json_type>(refold_json_typeof(value_)); }

    /** Returns whether the value is null. */
    bool is_null() const noexcept { return exists() && type() == json_type::null; }

    /** Returns true or false. Absent for a value of another type. */
    std::optional<bool> boolean() const noexcept {
        if (type() != json_type::boolean)
            return std::nullopt;
        return refold_json_bool(value_);
    }

    /**
     * Returns a number as an integer, truncated towards zero; the nearest integer if it is out of range.
     * Absent for a value of another type.
     */
    std::optional<std::int64_t> integer() const noexcept {
        if (type() != json_type::number)
            return std::nullopt;
        return refold_json_int64(value_);
    }

    /**
     * Returns a number as the nearest double; infinity if it is out of range. Absent for a value of another
     * type.
     */
    std::optional<double> number() const noexcept {
        if (type() != json_type::number)
            return std::nullopt;
        return refold_json_double(value_);
    }

    /**
     * Returns a complete string with its escape sequences resolved. A lone surrogate is replaced with U+FFFD.
     * Absent for a value of another type.
     */
    std::optional<std::string_view> string() const noexcept {
        std::size_t length = 0;
        const char *text = refold_json_string(value_, &length);
        if (text == nullptr)
            return std::nullopt;
        return std::string_view(text, length);
    }

    /** Returns the number of elements or members; 0 for a value of another type. */
    std::size_t size() const noexcept { return refold_json_length(value_); }

    /** Returns the element, or the value of the member, at an index counted from 0. */
    template <class Integer, std::enable_if_t<std::is_integral_v<Integer>, int> = 0>
    json operator[](Integer index) const noexcept {
        return json(refold_json_at(value_, static_cast<std::size_t>(index)));
    }

    /** Returns the value of the member with a key, or the last one if the key is repeated. */
    json operator[](const text_argument &key) const noexcept {
        return json(refold_json_get(value_, key.c_str()));
    }

    /** Returns the value that a JSON pointer (RFC 6901) refers to, such as "/nodes/0/node_name". */
    json pointer(const text_argument &pointer) const noexcept {
        return json(refold_json_pointer(value_, pointer.c_str()));
    }

    /** Returns the elements of an array. Empty for a value of another type. */
    elements_range elements() const noexcept;

    /** Returns the members of an object. Empty for a value of another type. */
    members_range members() const noexcept;

    /** Returns the JSON text, byte for byte as the server sent it. Empty if there is no value. */
    std::string_view raw() const noexcept {
        std::size_t length = 0;
        const char *text = refold_json_raw(value_, &length);
        return text == nullptr ? std::string_view() : std::string_view(text, length);
    }

    /** Returns the C object; NULL if there is no value. */
    constexpr const refold_json *c_object() const noexcept { return value_; }

private:
    const refold_json *value_ = nullptr;
};

/** A member of an object: `for (auto [key, value] : json.members())`. A view. */
struct member {
    /** The complete key, with its escape sequences resolved. */
    std::string_view key;
    /** The value. */
    json value;
};

namespace detail {

inline json element_at(const refold_json *array, std::size_t index) noexcept {
    return json(refold_json_at(array, index));
}

inline member member_at(const refold_json *object, std::size_t index) noexcept {
    std::size_t length = 0;
    const char *key = refold_json_key_at(object, index, &length);
    return {key == nullptr ? std::string_view() : std::string_view(key, length),
            json(refold_json_at(object, index))};
}

} // namespace detail

inline elements_range json::elements() const noexcept {
    return {value_, type() == json_type::array ? size() : 0};
}

inline members_range json::members() const noexcept {
    return {value_, type() == json_type::object ? size() : 0};
}

/* Execution and node ------------------------------------------------------------------------------------- */

/** One node of an execution. A view. */
class node {
public:
    /** Wraps a node of the C interface; NULL is an empty node. */
    constexpr explicit node(const refold_node *value) noexcept : node_(value) {}

    /** Returns the field `node_id`, which is unique within its execution. */
    std::optional<std::string_view> id() const noexcept {
        return detail::optional_text(refold_node_id(node_));
    }
    /** Returns the field `node_name`: the display name. */
    std::optional<std::string_view> name() const noexcept {
        return detail::optional_text(refold_node_name(node_));
    }
    /** Returns the field `node_type`, such as "start". */
    std::optional<std::string_view> type() const noexcept {
        return detail::optional_text(refold_node_type(node_));
    }
    /** Returns the field `node_status` as the server sent it, such as "Success". */
    std::optional<std::string_view> status() const noexcept {
        return detail::optional_text(refold_node_status(node_));
    }
    /** Returns the state that the field `node_status` maps to. */
    refold::state state() const noexcept { return static_cast<refold::state>(refold_node_state(node_)); }
    /** Returns the field `is_batch`; false if it is absent. */
    bool is_batch() const noexcept { return refold_node_is_batch(node_); }
    /** Returns the field `attempts_made`. */
    std::optional<std::int64_t> attempts_made() const noexcept {
        return detail::optional_count(refold_node_attempts_made(node_));
    }
    /** Returns the field `maximum_attempts`. */
    std::optional<std::int64_t> maximum_attempts() const noexcept {
        return detail::optional_count(refold_node_maximum_attempts(node_));
    }
    /** Returns the field `execution_time`: how long the node ran. */
    std::optional<std::chrono::milliseconds> execution_time() const noexcept {
        return detail::optional_milliseconds(refold_node_execution_time_ms(node_));
    }
    /** Returns the field `latest_output`: the last output of the node, JSON of any type and size. */
    refold::json latest_output() const noexcept { return refold::json(refold_node_latest_output(node_)); }
    /** Returns the field `input_data`: the input of the node, JSON of any type and size. */
    refold::json input_data() const noexcept { return refold::json(refold_node_input_data(node_)); }
    /** Returns the complete node, including fields for which there is no function. */
    refold::json json() const noexcept { return refold::json(refold_node_json(node_)); }

    /** Returns the C object. */
    constexpr const refold_node *c_object() const noexcept { return node_; }

private:
    const refold_node *node_;
};

namespace detail {

inline node node_at(const refold_execution *execution, std::size_t index) noexcept {
    return node(refold_execution_node(execution, index));
}

/* Frees an object with a C function. */
template <auto Free> struct deleter {
    template <class Object> void operator()(Object *object) const noexcept { Free(object); }
};

/* The out parameter `error` of a C function. */
class error_out {
public:
    error_out() noexcept = default;
    error_out(const error_out &) = delete;
    error_out &operator=(const error_out &) = delete;
    ~error_out() { refold_error_free(error_); }

    /* The argument for C. */
    refold_error **address() noexcept { return &error_; }

    /* Returns the result of the C function, or throws the error if it is NULL. */
    template <class Object> Object *check(Object *object) {
        if (object == nullptr)
            throw_error();
        return object;
    }

private:
    [[noreturn]] void throw_error() {
        if (error_ == nullptr)
            throw error(code::internal, "the library failed without an error");
        throw error(std::exchange(error_, nullptr));
    }

    refold_error *error_ = nullptr;
};

} // namespace detail

/** The nodes of an execution. A view. */
using nodes_range = sequence<node, refold_execution, detail::node_at>;

/**
 * A snapshot of an execution: its fields, its nodes, and the complete document that the server sent.
 *
 * An object of this class owns the snapshot, alone or together with the owners that share() created. The
 * snapshot is immutable, outlives the client, and is freed with its last owner.
 */
class execution {
public:
    /** Takes ownership of an execution from a C function; NULL is an empty execution. */
    explicit execution(refold_execution *owned) noexcept : execution_(owned) {}

    /** Creates an execution from JSON text, such as a stored response of the server. The text is copied. */
    static execution parse(std::string_view json) {
        detail::error_out failure;
        refold_execution *parsed = refold_parse_execution(json.data(), json.size(), failure.address());
        return execution(failure.check(parsed));
    }

    /** Returns another owner of the same snapshot, for example to keep it beyond a progress callback. */
    execution share() const noexcept { return execution(refold_execution_retain(execution_.get())); }

    /** Returns the field `_id`, or else the id that was requested. */
    std::optional<std::string_view> id() const &noexcept {
        return detail::optional_text(refold_execution_id(execution_.get()));
    }
    /** Returns the field `name`, such as "Execution for workflow 6a106ba44480b80424a65289". */
    std::optional<std::string_view> name() const &noexcept {
        return detail::optional_text(refold_execution_name(execution_.get()));
    }
    /** Returns the field `org_id`: the id of the organisation. */
    std::optional<std::string_view> org_id() const &noexcept {
        return detail::optional_text(refold_execution_org_id(execution_.get()));
    }
    /** Returns the field `environment`: "test" or "production". */
    std::optional<std::string_view> environment() const &noexcept {
        return detail::optional_text(refold_execution_environment(execution_.get()));
    }
    /** Returns the field `status` as the server sent it, such as "RUNNING". */
    std::string_view status() const &noexcept {
        return detail::optional_text(refold_execution_status(execution_.get())).value_or(std::string_view());
    }
    /** Returns the field `config_id`: the id of the workflow's configuration. */
    std::optional<std::string_view> config_id() const &noexcept {
        return detail::optional_text(refold_execution_config_id(execution_.get()));
    }
    /** Returns the field `linked_account_id`: the account that the run acted for. */
    std::optional<std::string_view> linked_account_id() const &noexcept {
        return detail::optional_text(refold_execution_linked_account_id(execution_.get()));
    }
    /** Returns the field `createdAt`: the start of the run, as RFC 3339 text in UTC. */
    std::optional<std::string_view> created_at() const &noexcept {
        return detail::optional_text(refold_execution_created_at(execution_.get()));
    }
    /** Returns the field `updatedAt`: the latest change of the run, as RFC 3339 text in UTC. */
    std::optional<std::string_view> updated_at() const &noexcept {
        return detail::optional_text(refold_execution_updated_at(execution_.get()));
    }
    /** Returns the state that the field `status` maps to. */
    refold::state state() const noexcept {
        return static_cast<refold::state>(refold_execution_state(execution_.get()));
    }
    /**
     * Returns the field `completion_percentage`: 0 to 100, possibly with decimals, or any other number that
     * the server sends. A percentage of -1 reads as absent.
     */
    std::optional<double> completion_percentage() const noexcept {
        const double percentage = refold_execution_completion_percentage(execution_.get());
        if (percentage == -1.0)
            return std::nullopt;
        return percentage;
    }

    /** Returns the nodes, in the order in which the run reached them. */
    nodes_range nodes() const &noexcept {
        return {execution_.get(), refold_execution_node_count(execution_.get())};
    }
    /** Returns the node with an id, or the first of several. Fast in large executions too. */
    std::optional<node> node_by_id(const text_argument &node_id) const &noexcept {
        const refold_node *found = refold_execution_node_by_id(execution_.get(), node_id.c_str());
        if (found == nullptr)
            return std::nullopt;
        return node(found);
    }
    /** Returns the complete document, including fields for which there is no function. */
    refold::json json() const &noexcept { return refold::json(refold_execution_json(execution_.get())); }
    /** Returns how long the call took, or the poll of a wait. All times of a parsed execution are absent. */
    refold::timings timings() const noexcept {
        return detail::timings_of<refold_execution_timing_us>(execution_.get());
    }
    /** Returns the number of attempts of the call, or of the poll of a wait; 0 for a parsed execution. */
    std::uint32_t attempts() const noexcept { return refold_execution_attempts(execution_.get()); }
    /** Returns the id of the request that fetched the execution, to be quoted to Refold's support. */
    std::optional<std::string_view> request_id() const &noexcept {
        return detail::optional_text(refold_execution_request_id(execution_.get()));
    }

    /** \name Deleted for temporaries, whose views would dangle
     * \{ */
    std::optional<std::string_view> id() const && = delete;
    std::optional<std::string_view> name() const && = delete;
    std::optional<std::string_view> org_id() const && = delete;
    std::optional<std::string_view> environment() const && = delete;
    std::string_view status() const && = delete;
    std::optional<std::string_view> config_id() const && = delete;
    std::optional<std::string_view> linked_account_id() const && = delete;
    std::optional<std::string_view> created_at() const && = delete;
    std::optional<std::string_view> updated_at() const && = delete;
    nodes_range nodes() const && = delete;
    std::optional<node> node_by_id(const text_argument &node_id) const && = delete;
    refold::json json() const && = delete;
    std::optional<std::string_view> request_id() const && = delete;
    /** \} */

    /** Returns the C object, which this object continues to own. */
    const refold_execution *c_object() const noexcept { return execution_.get(); }

private:
    std::unique_ptr<refold_execution, detail::deleter<refold_execution_free>> execution_;
};

/* Options ------------------------------------------------------------------------------------------------ */

namespace detail {

inline std::uint64_t to_milliseconds(std::chrono::milliseconds time) {
    if (time.count() < 0)
        throw error(code::invalid_argument, "a duration must not be negative");
    return static_cast<std::uint64_t>(time.count());
}

/* Calls a log callable from C. Drops its exceptions, which must not pass through C frames. */
template <class Callable> class log_callback {
public:
    template <class Source>
    explicit log_callback(std::in_place_t, Source &&source) : callable_(std::forward<Source>(source)) {}

    static void invoke(refold_log_level level, const char *message, void *self) noexcept {
        try {
            static_cast<log_callback *>(self)->callable_(static_cast<log_level>(level),
                                                         std::string_view(message));
        } catch (...) {
        }
    }

private:
    Callable callable_;
};

} // namespace detail

/**
 * Settings for creating clients.
 *
 * Setters copy their arguments and can be chained. An invalid value is stored and reported when a client is
 * created, unless a later call replaces it with a valid one; a negative duration throws at once. nullptr
 * restores the default. Must not be used by several threads at the same time. Clients keep no reference to
 * it. The destructor wipes its secrets.
 */
class options {
public:
    /** Creates options with all settings at their defaults. */
    options() : options(refold_options_new()) {}

    /**
     * Creates options with settings from the environment; see refold_options_new_from_env().
     *
     * To authenticate with other credentials than those in the environment, remove these first: with
     * set_api_key(nullptr, nullptr) or set_session_token(nullptr).
     */
    static options from_env() { return options(refold_options_new_from_env()); }

    /** Sets the API key of the organisation and the linked account to act for. */
    options &set_api_key(const text_argument &api_key, const text_argument &linked_account_id) noexcept {
        refold_options_set_api_key(options_.get(), api_key.c_str(), linked_account_id.c_str());
        return *this;
    }
    /** Sets a session token, which itself identifies the linked account. */
    options &set_session_token(const text_argument &session_token) noexcept {
        refold_options_set_session_token(options_.get(), session_token.c_str());
        return *this;
    }
    /** Sets the base URL of the API. Default: "https://app.refold.ai". */
    options &set_base_url(const text_argument &base_url) noexcept {
        refold_options_set_base_url(options_.get(), base_url.c_str());
        return *this;
    }
    /** Sets the timeout of a call, including retries and pauses; 0 for none. Default: 30 s. */
    options &set_timeout(std::chrono::milliseconds timeout) {
        refold_options_set_timeout_ms(options_.get(), detail::to_milliseconds(timeout));
        return *this;
    }
    /** Sets the timeout of each connection attempt; 0 for none but that of the call. Default: 10 s. */
    options &set_connect_timeout(std::chrono::milliseconds timeout) {
        refold_options_set_connect_timeout_ms(options_.get(), detail::to_milliseconds(timeout));
        return *this;
    }
    /** Sets how often a call is retried after a transient failure. Default: 2. */
    options &set_max_retries(std::uint32_t max_retries) noexcept {
        refold_options_set_max_retries(options_.get(), max_retries);
        return *this;
    }
    /** Sets the maximum size of a response body after decompression; 0 for none. Default: 268,435,456. */
    options &set_max_response_bytes(std::uint64_t bytes) noexcept {
        refold_options_set_max_response_bytes(options_.get(), bytes);
        return *this;
    }
    /** Sets the interval between two polls of client::wait(), at least 10 ms. Default: 1 s. */
    options &set_poll_interval(std::chrono::milliseconds interval) {
        refold_options_set_poll_interval_ms(options_.get(), detail::to_milliseconds(interval));
        return *this;
    }
    /** Sets the proxy; "" for none. Default: from the environment. */
    options &set_proxy(const text_argument &url) noexcept {
        refold_options_set_proxy(options_.get(), url.c_str());
        return *this;
    }
    /** Sets a file of certificates (PEM) to trust in addition to the default roots. */
    options &set_ca_file(const text_argument &path) noexcept {
        refold_options_set_ca_file(options_.get(), path.c_str());
        return *this;
    }
    /**
     * Sets certificates (PEM) in memory to trust in addition to the default roots. A default-constructed view
     * restores the default.
     */
    options &set_ca_pem(std::string_view pem) noexcept {
        refold_options_set_ca_pem(options_.get(), pem.data(), pem.size());
        return *this;
    }
    /** Sets the name and version of your program, such as "monitor/2.1". */
    options &set_user_agent(const text_argument &product) noexcept {
        refold_options_set_user_agent(options_.get(), product.c_str());
        return *this;
    }
    /** Sets whether http base URLs and their proxies may be on hosts other than loopback. Default: false. */
    options &set_allow_plaintext(bool allow) noexcept {
        refold_options_set_allow_plaintext(options_.get(), allow);
        return *this;
    }

    /**
     * Sets a further header field, which each request carries; nullptr removes the field of that name, and
     * nullptr for both removes all. Values are secrets. See refold_options_set_header() for the limits.
     */
    options &set_header(const text_argument &name, const text_argument &value) noexcept {
        refold_options_set_header(options_.get(), name.c_str(), value.c_str());
        return *this;
    }

    /** Sets that there is no log, not even that of REFOLD_LOG. */
    options &set_log(log_level level, std::nullptr_t) noexcept {
        refold_options_set_log(options_.get(), static_cast<refold_log_level>(level), nullptr, nullptr);
        log_.reset();
        return *this;
    }

    /**
     * Sets a callable that receives the log: what calls do, for people who look for the cause of a failure or
     * a delay. Default: the log of REFOLD_LOG for options from the environment, otherwise none.
     *
     * It is called as on_message(log_level, std::string_view) with each line, on the thread that makes the
     * call, and on several threads at once. The line is valid until the callable returns. It is UTF-8 of
     * at most 1,023 bytes, safe for a terminal, and contains no secret. refold.h explains the lines.
     *
     * The callable is copied or moved here. The options, every client made from them and every call of such a
     * client that is still running share it, and the last of them destroys it. What it throws is caught and
     * dropped, and the call continues. It may use the library, and the same client too; the calls that it
     * makes are not logged. It must not destroy that client, nor end its thread, as pthread_exit() does. The
     * time it takes is added to that of the call, and no timeout or token interrupts it.
     */
    template <class Callable> options &set_log(log_level level, Callable &&on_message) {
        using callable = std::decay_t<Callable>;
        using callback = detail::log_callback<callable>;
        static_assert(std::is_invocable_v<callable &, log_level, std::string_view>,
                      "a log callable takes a refold::log_level and a std::string_view");
        if constexpr (std::is_pointer_v<callable>) {
            const callable function = on_message;
            if (function == nullptr)
                return set_log(level, nullptr);
        }
        auto log = std::make_shared<callback>(std::in_place, std::forward<Callable>(on_message));
        refold_options_set_log(options_.get(), static_cast<refold_log_level>(level), callback::invoke,
                               log.get());
        log_ = std::move(log);
        return *this;
    }

    /**
     * Returns the C object, which this object continues to own. A client that C creates from it does not keep
     * the callable of set_log() alive.
     */
    const refold_options *c_object() const noexcept { return options_.get(); }

private:
    friend class client;

    explicit options(refold_options *owned) : options_(detail::error_out().check(owned)) {}

    std::unique_ptr<refold_options, detail::deleter<refold_options_free>> options_;
    std::shared_ptr<void> log_; /* The callable, or NULL. */
};

/* Cancellation ------------------------------------------------------------------------------------------- */

/**
 * A token that cancels every call it is passed to. Once triggered, it stays triggered.
 *
 * Any number of calls on any threads may share a token. Calls that are running when it is destroyed continue.
 */
class cancel_token {
public:
    /** Creates a token that is not triggered. */
    cancel_token() : cancel_(detail::error_out().check(refold_cancel_new())) {}

    /**
     * Triggers the token: calls that use it throw code::cancelled within 50 ms. Any thread may do so, and so
     * may a signal handler.
     */
    void trigger() const noexcept { refold_cancel_trigger(cancel_.get()); }

    /** Returns whether the token has been triggered. */
    bool is_triggered() const noexcept { return refold_cancel_is_triggered(cancel_.get()); }

    /** Returns the C object, which this object continues to own. */
    refold_cancel *c_object() const noexcept { return cancel_.get(); }

private:
    std::unique_ptr<refold_cancel, detail::deleter<refold_cancel_free>> cancel_;
};

/* Client ------------------------------------------------------------------------------------------------- */

namespace detail {

inline refold_cancel *c_object(const cancel_token *cancel) noexcept {
    return cancel == nullptr ? nullptr : cancel->c_object();
}

/* Frees a client, and only then gives up its share of the callable that receives its log. */
struct client_deleter {
    void operator()(refold_client *client) const noexcept { refold_client_free(client); }

    std::shared_ptr<void> log;
};

/* Calls a progress callback from C. Stores its exception, which must not pass through C frames. */
template <class Callable> class progress_callback {
public:
    explicit progress_callback(Callable &callable) noexcept : callable_(callable) {}

    static bool invoke(const refold_execution *snapshot, void *self) noexcept {
        return static_cast<progress_callback *>(self)->call(execution(refold_execution_retain(snapshot)));
    }

    void rethrow() const {
        if (exception_)
            std::rethrow_exception(exception_);
    }

private:
    bool call(const execution &snapshot) noexcept {
        try {
            if constexpr (std::is_void_v<std::invoke_result_t<Callable &, const execution &>>) {
                callable_(snapshot);
                return true;
            } else {
                return static_cast<bool>(callable_(snapshot));
            }
        } catch (...) {
            exception_ = std::current_exception();
            return false;
        }
    }

    Callable &callable_;
    std::exception_ptr exception_;
};

} // namespace detail

/**
 * A client of the API: validated settings, and a connection pool shared by all its calls.
 *
 * Any number of threads may call through one client at the same time, and one client per program is best.
 */
class client {
public:
    /** Creates a client after checking all settings. Sends nothing. */
    explicit client(const options &settings) {
        detail::error_out failure;
        refold_client *created = refold_client_new(settings.c_object(), failure.address());
        client_ = {failure.check(created), detail::client_deleter{settings.log_}};
    }

    /**
     * Fetches an execution with the details of every node.
     *
     * Blocks the calling thread, at most for the timeout in the options. A run that failed on the server is a
     * successful call: check execution::state(). `cancel` may be nullptr.
     */
    execution get(const text_argument &execution_id, const cancel_token *cancel = nullptr) const {
        const auto log = share_log();
        detail::error_out failure;
        refold_execution *fetched = refold_get_execution(client_.get(), execution_id.c_str(),
                                                         detail::c_object(cancel), failure.address());
        return execution(failure.check(fetched));
    }

    /** Polls an execution until its state is final, and returns the final snapshot; without a callback. */
    execution wait(const text_argument &execution_id, std::chrono::milliseconds timeout = {},
                   std::nullptr_t = nullptr, const cancel_token *cancel = nullptr) const {
        const auto nothing = [](const execution &) noexcept {};
        return wait(execution_id, timeout, nothing, cancel);
    }

    /**
     * Polls an execution until its state is final, and returns the final snapshot.
     *
     * `timeout` limits the whole wait; 0 for no limit, in which case the wait may never end. When it expires,
     * the wait fails with code::timeout, and error::cause() is the failure of the last poll. `on_progress` is
     * called on the calling thread with every snapshot (const execution &), including the final one. The wait
     * continues if it returns void or true. If it returns false, the wait fails with code::cancelled, except
     * after the final snapshot, when there is nothing left to stop. An exception from the callback ends the
     * wait and is rethrown here. The callback must not end its thread, as pthread_exit() does. It may use the
     * same client and token, and keep a snapshot with execution::share(). `cancel` may be nullptr.
     */
    template <class Progress>
    execution wait(const text_argument &execution_id, std::chrono::milliseconds timeout,
                   Progress &&on_progress, const cancel_token *cancel = nullptr) const {
        using callback = detail::progress_callback<std::remove_reference_t<Progress>>;
        const auto log = share_log();
        callback progress(on_progress);
        detail::error_out failure;
        execution last(refold_wait_execution(client_.get(), execution_id.c_str(),
                                             detail::to_milliseconds(timeout), callback::invoke, &progress,
                                             detail::c_object(cancel), failure.address()));
        progress.rethrow();
        failure.check(last.c_object());
        return last;
    }

    /**
     * Replaces the session token, for calls and polls that begin later.
     *
     * Throws code::invalid_argument if options::set_session_token() would reject the token or the client was
     * created with an API key, and code::internal in a process that was forked while a token was being
     * replaced, which needs a new client. In either case the client is unchanged.
     */
    void set_session_token(const text_argument &session_token) const {
        const refold_code outcome = refold_client_set_session_token(client_.get(), session_token.c_str());
        if (outcome == REFOLD_ERROR_INVALID_ARGUMENT)
            throw error(code::invalid_argument,
                        "session_token: the token is invalid, or the client was created with an API key");
        if (outcome != REFOLD_OK)
            throw error(static_cast<refold::code>(outcome),
                        "session_token: the token could not be replaced; create a new client");
    }

    /** Returns the C object, which this object continues to own. */
    const refold_client *c_object() const noexcept { return client_.get(); }

private:
    friend class queue;

    /* Keeps the log callable alive for a call, even if the client is destroyed meanwhile. */
    std::shared_ptr<void> share_log() const noexcept { return client_.get_deleter().log; }

    std::unique_ptr<refold_client, detail::client_deleter> client_;
};

/* Queue -------------------------------------------------------------------------------------------------- */

namespace detail {

/* Owns an event. It is allocated before the submission, so that reporting the end needs no memory. */
struct event_owner {
    event_owner() noexcept = default;
    event_owner(const event_owner &) = delete;
    event_owner &operator=(const event_owner &) = delete;
    ~event_owner() { refold_event_free(event); }

    refold_event *event = nullptr;
};

class submission;

} // namespace detail

/** How a submission to a queue ended: the execution, or the error that client would have thrown. */
class outcome {
public:
    /** Returns whether there is an execution. A run that failed on the server is one. */
    bool has_value() const noexcept { return has_value_; }
    /** Returns whether there is an execution. */
    explicit operator bool() const noexcept { return has_value_; }

    /** Returns the execution. Throws the error if there is none. */
    const execution &value() const & {
        check();
        return execution_;
    }
    /** Returns the execution, which can be kept. Throws the error if there is none. */
    execution value() && {
        check();
        return std::move(execution_);
    }

    /** Returns the error, which can be kept longer than this object; nothing if there is an execution. */
    std::optional<refold::error> error() const {
        if (has_value_)
            return std::nullopt;
        if (error_ == nullptr)
            return refold::error(code::cancelled, "the queue was destroyed");
        return refold::error(error_);
    }

private:
    friend class detail::submission;

    explicit outcome(std::shared_ptr<const detail::event_owner> last) noexcept
        : execution_(refold_execution_retain(refold_event_execution(last->event))),
          error_(last, refold_event_error(last->event)), has_value_(execution_.c_object() != nullptr) {}

    void check() const {
        if (const auto failure = error())
            throw refold::error(*failure);
    }

    execution execution_;
    std::shared_ptr<const refold_error> error_; /* NULL if the queue was destroyed. */
    bool has_value_;
};

namespace detail {

using unique_event = std::unique_ptr<refold_event, deleter<refold_event_free>>;

/* What is to run for the events of a submission. */
class submission {
public:
    /* Shares the log callable of the client, which the call uses until it has ended. */
    explicit submission(std::shared_ptr<void> log) : log_(std::move(log)) {}
    submission(const submission &) = delete;
    submission &operator=(const submission &) = delete;
    virtual ~submission() = default;

    /* Runs the callable for an event. Several threads may do so, but a snapshot is never shown after the end.
     */
    void run(unique_event event) {
        const std::lock_guard<std::recursive_mutex> running(running_);
        if (refold_event_typeof(event.get()) == REFOLD_EVENT_DONE) {
            last_->event = event.release();
            has_ended_ = true;
            on_done(outcome(last_));
        } else if (const refold_execution *snapshot = refold_event_execution(event.get());
                   snapshot != nullptr && !has_ended_) {
            on_progress(execution(refold_execution_retain(snapshot)));
        }
    }

protected:
    virtual void on_progress(const execution &) {}
    virtual void on_done(outcome result) = 0;

    bool has_ended() const noexcept { return has_ended_; }
    /* The outcome of a submission whose queue was destroyed. */
    outcome destroyed() const noexcept { return outcome(last_); }

private:
    const std::shared_ptr<event_owner> last_ = std::make_shared<event_owner>();
    const std::shared_ptr<void> log_;
    std::recursive_mutex running_; /* Recursive, because a callable may run the queue. */
    bool has_ended_ = false;
};

/* Calls callables. `Progress` may be std::nullptr_t. */
template <class Progress, class Done> class callback_submission final : public submission {
public:
    template <class ProgressSource, class DoneSource>
    callback_submission(std::shared_ptr<void> log, ProgressSource &&progress, DoneSource &&done)
        : submission(std::move(log)), progress_(std::forward<ProgressSource>(progress)),
          done_(std::forward<DoneSource>(done)) {}

private:
    void on_progress([[maybe_unused]] const execution &snapshot) override {
        if constexpr (!std::is_null_pointer_v<Progress>)
            progress_(snapshot);
    }
    void on_done(outcome result) override { done_(std::move(result)); }

    Progress progress_;
    Done done_;
};

/* Keeps a promise. */
class promise_submission final : public submission {
public:
    using submission::submission;
    ~promise_submission() override {
        if (!has_ended())
            keep(destroyed());
    }

    std::future<execution> future() { return promise_.get_future(); }

private:
    void on_done(outcome result) override { keep(std::move(result)); }

    /* Without memory for the exception, the promise is destroyed, which breaks it. */
    void keep(outcome result) noexcept {
        try {
            if (const auto error = result.error())
                promise_.set_exception(std::make_exception_ptr(*error));
            else
                promise_.set_value(std::move(result).value());
        } catch (...) {
        }
    }

    std::promise<execution> promise_;
};

/* A queue of the C interface, and the submissions that have not ended. */
class submissions {
public:
    explicit submissions(std::uint32_t max_concurrent) {
        error_out failure;
        queue_.reset(failure.check(refold_queue_new(max_concurrent, failure.address())));
    }
    submissions(const submissions &) = delete;
    submissions &operator=(const submissions &) = delete;
    ~submissions() { refold_queue_set_notify(queue_.get(), nullptr, nullptr); }

    refold_queue *c_object() const noexcept { return queue_.get(); }

    void get(std::shared_ptr<submission> added, const client &client, const text_argument &execution_id,
             const cancel_token *cancel) {
        submit(std::move(added), [&](void *key, refold_error **error) {
            return refold_queue_get_execution(c_object(), client.c_object(), execution_id.c_str(),
                                              detail::c_object(cancel), key, error);
        });
    }

    void wait(std::shared_ptr<submission> added, const client &client, const text_argument &execution_id,
              std::chrono::milliseconds timeout, const cancel_token *cancel) {
        const std::uint64_t timeout_ms = to_milliseconds(timeout);
        submit(std::move(added), [&](void *key, refold_error **error) {
            return refold_queue_wait_execution(c_object(), client.c_object(), execution_id.c_str(),
                                               timeout_ms, detail::c_object(cancel), key, error);
        });
    }

    /* Takes the next event and runs what is to run for it. Returns false if there is none in time. */
    bool run_one(std::int64_t timeout_ms) {
        unique_event event(refold_queue_next(c_object(), timeout_ms));
        if (event == nullptr)
            return false;
        const auto key = reinterpret_cast<std::uintptr_t>(refold_event_user_data(event.get()));
        const bool has_ended = refold_event_typeof(event.get()) == REFOLD_EVENT_DONE;
        /* Another thread may have run the end since this one took a snapshot. */
        if (const std::shared_ptr<submission> found = find(key, has_ended))
            found->run(std::move(event));
        return true;
    }

private:
    /* Submits with a number by which events find the submission: one that has ended is not found. */
    template <class Call> void submit(std::shared_ptr<submission> added, Call call) {
        const std::uintptr_t key = keep(std::move(added));
        error_out failure;
        const bool is_accepted = call(reinterpret_cast<void *>(key), failure.address());
        if (!is_accepted)
            find(key, true);
        failure.check(is_accepted ? c_object() : nullptr);
    }

    std::uintptr_t keep(std::shared_ptr<submission> added) {
        const std::lock_guard<std::mutex> guard(lock_);
        while (!kept_.emplace(++last_key_, added).second) {
        }
        return last_key_;
    }

    std::shared_ptr<submission> find(std::uintptr_t key, bool removes) {
        const std::lock_guard<std::mutex> guard(lock_);
        const auto found = kept_.find(key);
        if (found == kept_.end())
            return nullptr;
        std::shared_ptr<submission> submission = found->second;
        if (removes)
            kept_.erase(found);
        return submission;
    }

    std::mutex lock_;
    std::uintptr_t last_key_ = 0;
    std::unordered_map<std::uintptr_t, std::shared_ptr<submission>> kept_;
    std::unique_ptr<refold_queue, deleter<refold_queue_free>>
        queue_; /* Destroyed first: it uses the others. */
};

#ifdef __cpp_lib_coroutine
/* What an awaitable and its submission share. */
class awaited {
public:
    bool has_ended() const noexcept { return waiter_.load() == this; }

    /* Returns false if there is nothing to wait for. */
    bool suspend(std::coroutine_handle<> waiter) noexcept {
        void *none = nullptr;
        return waiter_.compare_exchange_strong(none, waiter.address());
    }

    /* The coroutine, if one waits, is destroyed. */
    void abandon() noexcept {
        void *waiter = waiter_.load();
        if (waiter != this)
            waiter_.compare_exchange_strong(waiter, nullptr);
    }

    void end(outcome result) {
        result_.emplace(std::move(result));
        void *waiter = waiter_.exchange(this);
        if (waiter != nullptr)
            std::coroutine_handle<>::from_address(waiter).resume();
    }

    execution take() { return std::move(*result_).value(); }

private:
    std::optional<outcome> result_;
    std::atomic<void *> waiter_ = nullptr; /* This object once there is a result. */
};

/* Resumes a coroutine. */
template <class Progress> class coroutine_submission final : public submission {
public:
    template <class Source>
    coroutine_submission(std::shared_ptr<void> log, std::shared_ptr<awaited> result, Source &&progress)
        : submission(std::move(log)), result_(std::move(result)), progress_(std::forward<Source>(progress)) {}
    ~coroutine_submission() override {
        try {
            if (!has_ended())
                result_->end(destroyed());
        } catch (...) {
        }
    }

private:
    void on_progress([[maybe_unused]] const execution &snapshot) override {
        if constexpr (!std::is_null_pointer_v<Progress>)
            progress_(snapshot);
    }
    void on_done(outcome result) override { result_->end(std::move(result)); }

    std::shared_ptr<awaited> result_;
    Progress progress_;
};
#endif

/* Calls a callable from C. Drops its exceptions, which must not pass through C frames. */
template <class Callable> class notify_callback {
public:
    template <class Source>
    explicit notify_callback(std::in_place_t, Source &&source) : callable_(std::forward<Source>(source)) {}

    static void invoke(void *self) noexcept {
        try {
            static_cast<notify_callback *>(self)->callable_();
        } catch (...) {
        }
    }

private:
    Callable callable_;
};

/* What a queue is made of. It stays where it is when the queue is moved. */
class queue_state {
public:
    explicit queue_state(std::uint32_t max_concurrent)
        : max_concurrent_(max_concurrent), calls_(max_concurrent) {}

    submissions &calls() noexcept { return calls_; }

    /* The submissions with a future, whose events are taken by the threads of the library. */
    submissions &promises() {
        const std::lock_guard<std::mutex> guard(promises_lock_);
        if (!promises_) {
            promises_.emplace(max_concurrent_);
            const auto keep_promises = [](void *self) {
                while (static_cast<submissions *>(self)->run_one(0)) {
                }
            };
            refold_queue_set_notify(promises_->c_object(), keep_promises, &*promises_);
        }
        return *promises_;
    }

    void set_notify(refold_notify_fn function, std::shared_ptr<void> callable) {
        const std::lock_guard<std::mutex> guard(notify_lock_);
        refold_queue_set_notify(calls_.c_object(), function, callable.get());
        notify_ = function;
        callable_ = std::move(callable);
    }

    /* Calls the callable of set_notify(): events were left in the queue. */
    void notify() noexcept {
        const std::lock_guard<std::mutex> guard(notify_lock_);
        if (notify_ != nullptr)
            notify_(callable_.get());
    }

private:
    const std::uint32_t max_concurrent_;
    std::mutex notify_lock_;
    refold_notify_fn notify_ = nullptr;
    std::shared_ptr<void> callable_; /* Outlives the queue that calls it. */
    submissions calls_;
    std::mutex promises_lock_;
    std::optional<submissions> promises_;
};

/* Whether a type is that of a callable for the end of a submission, rather than of a token. */
template <class Done>
using enable_if_done = std::enable_if_t<!std::is_convertible_v<Done, const cancel_token *>, int>;

} // namespace detail

#ifdef __cpp_lib_coroutine
/**
 * What `co_await` waits for: the end of a submission to a queue. C++20.
 *
 * The call is submitted before it is awaited, so several can be in flight: create them all, then await one
 * after the other. Each can be awaited once, by one coroutine. One that is not awaited ends unnoticed.
 */
class [[nodiscard]] awaitable {
public:
    /** The other object can only be destroyed. */
    awaitable(awaitable &&) noexcept = default;
    awaitable &operator=(awaitable &&) = delete;
    /** The call goes on, unless a token cancels it. */
    ~awaitable() {
        if (result_ != nullptr)
            result_->abandon();
    }

    /** \cond for the compiler */
    bool await_ready() const noexcept { return result_->has_ended(); }
    bool await_suspend(std::coroutine_handle<> waiter) const noexcept { return result_->suspend(waiter); }
    execution await_resume() const { return result_->take(); }
    /** \endcond */

private:
    friend class queue;

    explicit awaitable(std::shared_ptr<detail::awaited> result) noexcept : result_(std::move(result)) {}

    std::shared_ptr<detail::awaited> result_;
};
#endif

/**
 * A queue: makes many calls at a time, without a thread of yours for each.
 *
 * There are three ways to learn how a submission ends. A callable runs in run_ready(), which an event loop
 * calls when descriptor() is readable or the callable of set_notify() has woken it, or in run() or run_one()
 * in a program without a loop. A coroutine (C++20) is resumed in the same functions. A future becomes ready
 * on its own.
 *
 * \code{.cpp}
 * #include <iostream>
 * #include <refold.hpp>
 *
 * int main(int argc, char **argv) try {
 *     const refold::client client(refold::options::from_env());
 *     refold::queue queue;
 *     for (int i = 1; i < argc; i++)
 *         queue.wait(client, argv[i], {}, nullptr, [](const refold::outcome &result) {
 *             std::cout << refold::printable(result.value().status()) << '\n';
 *         });
 *     queue.run();
 * } catch (const refold::error &error) {
 *     std::cerr << refold::printable(error.what()) << '\n';
 *     return 1;
 * }
 * \endcode
 *
 * Submitting never waits for the network. It throws code::invalid_argument and code::resource; every other
 * failure is reported by the outcome. The client, the id and the token may be destroyed as soon as the
 * submission has returned. `cancel` may be nullptr. A token ends a submission within 50 ms, with
 * code::cancelled.
 *
 * Callables are copied or moved. They run on threads that call a function of the queue, never on others, and
 * are destroyed once the submission has ended. They may use the queue, but not destroy it. Those of one
 * submission run one after another, even if several threads run the queue; in that case, they must not run
 * the queue themselves.
 *
 * The destructor cancels all submissions. Callables that have not run are destroyed, futures receive
 * code::cancelled, and so do coroutines, which are resumed in the destructor.
 */
class queue {
public:
    /**
     * Creates a queue, which starts no thread yet. `max_concurrent` limits the calls and polls in flight: 1
     * to 1,024; 0 for the default, which is 32. Those with a future are counted on their own.
     */
    explicit queue(std::uint32_t max_concurrent = 0)
        : state_(std::make_unique<detail::queue_state>(max_concurrent)) {}
    /** Moves the submissions and the descriptor. The other queue is empty. */
    queue(queue &&) noexcept = default;
    /** Does what the destructor does, then moves. */
    queue &operator=(queue &&other) noexcept {
        /* Coroutines that are resumed find the new state. */
        const auto previous = std::exchange(state_, std::move(other.state_));
        return *this;
    }
    ~queue() {
        /* Coroutines that are resumed find an empty queue. */
        const auto previous = std::move(state_);
    }

    /** Submits client::get(). Calls `on_done` with the outcome. */
    template <class Done, detail::enable_if_done<Done> = 0>
    void get(const client &client, const text_argument &execution_id, Done &&on_done,
             const cancel_token *cancel = nullptr) {
        calls().get(callbacks(client, nullptr, std::forward<Done>(on_done)), client, execution_id, cancel);
    }

    /**
     * Submits client::wait(). Calls `on_done` with the outcome.
     *
     * `timeout` limits the whole wait, from now on; 0 for no limit. `on_progress` is called with each
     * snapshot (const execution &) of a run that has not ended, or may be nullptr. It returns nothing; use a
     * token to stop. A snapshot that has not been shown when the next one arrives is replaced by it. An
     * exception does not end the wait.
     */
    template <class Progress, class Done, detail::enable_if_done<Done> = 0>
    void wait(const client &client, const text_argument &execution_id, std::chrono::milliseconds timeout,
              Progress &&on_progress, Done &&on_done, const cancel_token *cancel = nullptr) {
        calls().wait(callbacks(client, std::forward<Progress>(on_progress), std::forward<Done>(on_done)),
                     client, execution_id, timeout, cancel);
    }

    /** Submits client::get(). The future becomes ready without any further function of this class. */
    std::future<execution> get_future(const client &client, const text_argument &execution_id,
                                      const cancel_token *cancel = nullptr) {
        const auto added = std::make_shared<detail::promise_submission>(client.share_log());
        std::future<execution> future = added->future();
        state().promises().get(added, client, execution_id, cancel);
        return future;
    }

    /** Submits client::wait(). The future becomes ready without any further function of this class. */
    std::future<execution> wait_future(const client &client, const text_argument &execution_id,
                                       std::chrono::milliseconds timeout = {},
                                       const cancel_token *cancel = nullptr) {
        const auto added = std::make_shared<detail::promise_submission>(client.share_log());
        std::future<execution> future = added->future();
        state().promises().wait(added, client, execution_id, timeout, cancel);
        return future;
    }

#ifdef __cpp_lib_coroutine
    /** Submits client::get(), to be awaited by a coroutine: `co_await queue.get(client, id)`. C++20. */
    awaitable get(const client &client, const text_argument &execution_id,
                  const cancel_token *cancel = nullptr) {
        auto result = std::make_shared<detail::awaited>();
        calls().get(resumption(client, result, nullptr), client, execution_id, cancel);
        return awaitable(std::move(result));
    }

    /** Submits client::wait(), to be awaited by a coroutine. C++20. */
    awaitable wait(const client &client, const text_argument &execution_id,
                   std::chrono::milliseconds timeout = {}, std::nullptr_t = nullptr,
                   const cancel_token *cancel = nullptr) {
        return wait<std::nullptr_t>(client, execution_id, timeout, nullptr, cancel);
    }

    /** Submits client::wait(), to be awaited by a coroutine, with a callable for the progress. C++20. */
    template <class Progress>
    awaitable wait(const client &client, const text_argument &execution_id, std::chrono::milliseconds timeout,
                   Progress &&on_progress, const cancel_token *cancel = nullptr) {
        auto result = std::make_shared<detail::awaited>();
        calls().wait(resumption(client, result, std::forward<Progress>(on_progress)), client, execution_id,
                     timeout, cancel);
        return awaitable(std::move(result));
    }
#endif

    /**
     * Runs the callables and resumes the coroutines for which there are events, without blocking. Returns the
     * number of events.
     *
     * An exception of a callable leaves this function. Its event has been taken, and the next call continues
     * with the others. Events of submissions that were made meanwhile may be left to the next call, too. In
     * both cases the descriptor stays readable, and the callable of set_notify() is called again.
     */
    std::size_t run_ready() {
        if (state_ == nullptr)
            return 0;
        detail::queue_state &state = *state_;
        const std::size_t limit = 2 * refold_queue_pending(state.calls().c_object()) + 1;
        std::size_t count = 0;
        try {
            while (count < limit && state.calls().run_one(0))
                count++;
        } catch (...) {
            state.notify();
            throw;
        }
        if (count == limit)
            state.notify();
        return count;
    }

    /** Waits for one event, and runs its callable. Returns false if nothing is pending. */
    bool run_one() { return state_ != nullptr && state_->calls().run_one(-1); }

    /** Waits for one event, at most for this time, and runs its callable. Returns false if there is none. */
    bool run_one(std::chrono::milliseconds timeout) {
        const auto timeout_ms = static_cast<std::int64_t>(detail::to_milliseconds(timeout));
        return state_ != nullptr && state_->calls().run_one(timeout_ms);
    }

    /** Runs callables and resumes coroutines until nothing is pending. Returns the number of events. */
    std::size_t run() {
        std::size_t count = 0;
        while (run_one())
            count++;
        return count;
    }

    /**
     * Returns the number of submissions whose end has not been run. Submissions with a future are not
     * counted.
     */
    std::size_t pending() const noexcept { return refold_queue_pending(c_object()); }

    /**
     * Returns a descriptor that is readable exactly while run_ready() has something to do. Poll it in any
     * event loop, but never read, write or close it; see refold_queue_descriptor(). -1 where there is none.
     */
    std::intptr_t descriptor() const noexcept { return refold_queue_descriptor(c_object()); }

    /** Sets that nothing is called when there is something to run. */
    void set_notify(std::nullptr_t) {
        if (state_ != nullptr)
            state_->set_notify(nullptr, nullptr);
    }

    /**
     * Sets a callable that is called without arguments whenever there is something to run, on a thread of the
     * library, and that replaces the previous one. It is meant to wake an event loop, which then calls
     * run_ready(). Call that once after setting it.
     *
     * It may run on several threads at once. It must not run, set or destroy anything of this queue. What it
     * throws is caught and dropped. When this returns, the previous callable is not running, will not be
     * called again and has been destroyed. So do not hold a lock that it waits for.
     */
    template <class Callable> void set_notify(Callable &&notify) {
        using callable = std::decay_t<Callable>;
        using callback = detail::notify_callback<callable>;
        static_assert(std::is_invocable_v<callable &>, "a notify callable takes no arguments");
        auto shared = std::make_shared<callback>(std::in_place, std::forward<Callable>(notify));
        if (state_ != nullptr)
            state_->set_notify(callback::invoke, std::move(shared));
    }

    /** Returns the C object, which this object continues to own. Do not take events from it. */
    refold_queue *c_object() const noexcept {
        return state_ == nullptr ? nullptr : state_->calls().c_object();
    }

private:
    detail::queue_state &state() {
        if (state_ == nullptr)
            throw error(code::invalid_argument, "queue: the queue was moved from");
        return *state_;
    }

    detail::submissions &calls() { return state().calls(); }

    template <class Progress> static constexpr void check_progress() {
        if constexpr (!std::is_null_pointer_v<Progress>) {
            static_assert(std::is_invocable_v<Progress &, const execution &>,
                          "a progress callable takes a const refold::execution &");
            static_assert(std::is_void_v<std::invoke_result_t<Progress &, const execution &>>,
                          "a progress callable of a queue returns nothing: cancel with a token");
        }
    }

    template <class Progress, class Done>
    static std::shared_ptr<detail::submission> callbacks(const client &client, Progress &&on_progress,
                                                         Done &&on_done) {
        using progress = std::decay_t<Progress>;
        using done = std::decay_t<Done>;
        check_progress<progress>();
        static_assert(std::is_invocable_v<done &, outcome>, "a done callable takes a refold::outcome");
        return std::make_shared<detail::callback_submission<progress, done>>(
            client.share_log(), std::forward<Progress>(on_progress), std::forward<Done>(on_done));
    }

#ifdef __cpp_lib_coroutine
    template <class Progress>
    static std::shared_ptr<detail::submission>
    resumption(const client &client, std::shared_ptr<detail::awaited> result, Progress &&on_progress) {
        using progress = std::decay_t<Progress>;
        check_progress<progress>();
        return std::make_shared<detail::coroutine_submission<progress>>(client.share_log(), std::move(result),
                                                                        std::forward<Progress>(on_progress));
    }
#endif

    std::unique_ptr<detail::queue_state> state_;
};

} // namespace refold

#endif /* REFOLD_HPP */
