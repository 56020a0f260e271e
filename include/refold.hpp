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
 * refold::options, refold::client, refold::cancel_token and refold::execution own their object and free it in
 * their destructor. They can be destroyed in any order. They can be moved but not copied; execution::share()
 * adds an owner to an execution. A moved-from object is empty: accessors return absent values, setters do
 * nothing, and calls fail with code::invalid_argument. refold::error can be copied like any exception.
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
 * client::wait(); what a log callable throws is caught and dropped.
 *
 * Threads
 * -------
 * As in C, any number of threads may use the same object at the same time, except for refold::options. An
 * object must not be moved from, assigned or destroyed while another use of it begins.
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
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#if __cplusplus >= 202002L
#include <ranges>
#endif

/** The C++ interface of librefold. */
namespace refold {

class execution;

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
    /* Keeps the log callable alive for a call, even if the client is destroyed meanwhile. */
    std::shared_ptr<void> share_log() const noexcept { return client_.get_deleter().log; }

    std::unique_ptr<refold_client, detail::client_deleter> client_;
};

} // namespace refold

#endif /* REFOLD_HPP */
