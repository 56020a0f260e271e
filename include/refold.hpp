/**
 * \page cpp refold for C++
 *
 * A thin layer over refold.h, in the header refold.hpp alone, for C++17 and later. Link with the same
 * library. A whole program:
 *
 * \code{.cpp}
 * #include <iostream>
 * #include <refold.hpp>
 *
 * int main(int argc, char **argv) try {
 *     const refold::client client(refold::options::from_env());
 *     const refold::execution execution = client.get(argc > 1 ? argv[1] : nullptr);
 *     std::cout << execution.id().value_or("-") << ": " << execution.status() << '\n';
 *     for (const refold::node node : execution.nodes())
 *         std::cout << "  " << node.name().value_or("-") << ": " << node.status().value_or("-") << '\n';
 * } catch (const refold::error &error) {
 *     std::cerr << error.what() << '\n';
 *     return 1;
 * }
 * \endcode
 *
 * What refold.h says of time-outs, retries, limits, trust, proxies, secrets, the environment and fork holds
 * here, too, and so does what it says of each function, whose name stands here without its prefix. What
 * follows is what C++ adds; it holds for every class, and is not said again there.
 *
 * Ownership
 * ---------
 * refold::options, refold::client, refold::cancel_token and refold::execution own something: they free it
 * when they end, in any order, and can be moved, not copied. execution::share() adds an owner to an
 * execution. One that was moved from owns nothing: it reads as empty, its setters do nothing, and a call
 * through it fails with code::invalid_argument. refold::error is copied like any exception.
 *
 * Views
 * -----
 * refold::node, refold::json, the ranges of these, and every std::string_view are views: small, copied
 * freely, and valid as long as an owner of their execution (or a copy of their error) lives, however often
 * that is moved. What would return a view into an execution that ends with the expression does not compile:
 * give the execution a name.
 *
 * Absent
 * ------
 * What the document may lack comes as a std::optional; a field that is null there, or has a type that it
 * should not have, counts as absent. A refold::json can itself be absent, so that look-ups can be chained
 * without a check at each step: json::exists() tells.
 *
 * Text
 * ----
 * Text is handed in as a refold::text_argument, made by itself from a const char *, a std::string or a
 * std::string_view. A null pointer is what NULL is in C. Text that comes out is UTF-8. A string that holds
 * U+0000 ends there, as in C, but for json::string(), json::raw() and member::key, which are whole.
 *
 * Errors
 * ------
 * Whatever fails throws a refold::error; std::bad_alloc is the only other exception that comes from here.
 * What is declared noexcept never throws.
 *
 * Threads
 * -------
 * As in C: any number of threads may use the same object at the same time, but for refold::options and for
 * moving, assigning and ending an object, which must not happen while another use of it begins.
 */

/**
 * \file refold.hpp
 * \brief The interface for C++.
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

/** Everything of this header. */
namespace refold {

class execution;

/* Codes, states and types -------------------------------------------------------------------------------- */

/** The version of the library that is loaded; REFOLD_VERSION is that of the headers. */
inline std::string_view version() noexcept { return refold_version(); }

/**
 * What kind of failure an error is: the HTTP status of the server's answer, or a negative number where there
 * was no usable answer. Every number is possible, not only those that have a name.
 */
enum class code : std::int32_t {
    /** Success. */
    ok = REFOLD_OK,
    /** The server found fault with the request. */
    bad_request = REFOLD_ERROR_BAD_REQUEST,
    /** The key, the linked account or the session token was not accepted. */
    unauthorized = REFOLD_ERROR_UNAUTHORIZED,
    /** The credentials are good, but not for this. */
    forbidden = REFOLD_ERROR_FORBIDDEN,
    /** No execution with this id can be seen with these credentials. */
    not_found = REFOLD_ERROR_NOT_FOUND,
    /** The server gave up waiting for the request. Not to be confused with code::timeout. */
    request_timeout = REFOLD_ERROR_REQUEST_TIMEOUT,
    /** The request contradicts the state of what it is about. */
    conflict = REFOLD_ERROR_CONFLICT,
    /** The server understood the request and cannot act on it. */
    unprocessable_entity = REFOLD_ERROR_UNPROCESSABLE_ENTITY,
    /** Too many requests in too short a time; see error::retry_after(). */
    too_many_requests = REFOLD_ERROR_TOO_MANY_REQUESTS,
    /** The server failed. */
    internal_server_error = REFOLD_ERROR_INTERNAL_SERVER_ERROR,
    /** The server does not know how to do this. */
    not_implemented = REFOLD_ERROR_NOT_IMPLEMENTED,
    /** A gateway got no usable answer from the server behind it. */
    bad_gateway = REFOLD_ERROR_BAD_GATEWAY,
    /** The server cannot serve at the moment. */
    service_unavailable = REFOLD_ERROR_SERVICE_UNAVAILABLE,
    /** A gateway got no answer in time from the server behind it. */
    gateway_timeout = REFOLD_ERROR_GATEWAY_TIMEOUT,
    /** An argument or a setting is wrong: the message names it, and nothing was sent. */
    invalid_argument = REFOLD_ERROR_INVALID_ARGUMENT,
    /** A cancel token was triggered, or a progress callable returned false. */
    cancelled = REFOLD_ERROR_CANCELLED,
    /** The time-out of the call itself passed. */
    timeout = REFOLD_ERROR_TIMEOUT,
    /** The host name has no address, or none could be found out. */
    resolve = REFOLD_ERROR_RESOLVE,
    /** Nobody answered at the address in time, or the proxy refused. */
    connect = REFOLD_ERROR_CONNECT,
    /** No TLS session that can be trusted: the certificate or the handshake. */
    tls = REFOLD_ERROR_TLS,
    /** The connection broke before the whole answer came, or what came is not HTTP. */
    transport = REFOLD_ERROR_TRANSPORT,
    /** The server said success, but the body is not an execution. */
    invalid_response = REFOLD_ERROR_INVALID_RESPONSE,
    /**
     * The body of the answer, or the memory for its nodes, is larger than options::set_max_response_bytes()
     * allows, or its header larger than 64 KiB or 128 fields.
     */
    response_too_large = REFOLD_ERROR_RESPONSE_TOO_LARGE,
    /** A defect of the library, caught before it could do harm. Please report it. */
    internal = REFOLD_ERROR_INTERNAL,
    /** The process is out of descriptors, threads or memory. */
    resource = REFOLD_ERROR_RESOURCE,
};

/** The name of a code for people and logs, such as "NOT_FOUND"; see refold_code_name(). */
inline std::string_view name(code value) noexcept {
    return refold_code_name(static_cast<refold_code>(value));
}

/** What the server's texts for the status of an execution or a node mean, on one scale. */
enum class state : std::int32_t {
    /** Absent, or a text that this version does not know. */
    unknown = REFOLD_STATE_UNKNOWN,
    /** Not begun. */
    ready = REFOLD_STATE_READY,
    /** Under way. */
    running = REFOLD_STATE_RUNNING,
    /** Waits for something. */
    waiting = REFOLD_STATE_WAITING,
    /** Asked to stop, and not stopped yet. */
    stopping = REFOLD_STATE_STOPPING,
    /** Ended well; final. */
    completed = REFOLD_STATE_COMPLETED,
    /** Ended with an error; final. */
    errored = REFOLD_STATE_ERRORED,
    /** Ended with an error, and the run went on without it; final. */
    skipped = REFOLD_STATE_SKIPPED,
    /** Was stopped; final. */
    stopped = REFOLD_STATE_STOPPED,
    /** Took too long; final. */
    timed_out = REFOLD_STATE_TIMED_OUT,
    /** Was rejected; final. */
    rejected = REFOLD_STATE_REJECTED,
};

/** Whether a state will not change any more. */
inline bool is_final(state value) noexcept { return refold_state_is_final(static_cast<refold_state>(value)); }

/** The name of a state for people and logs, such as "COMPLETED". */
inline std::string_view name(state value) noexcept {
    return refold_state_name(static_cast<refold_state>(value));
}

/** What a JSON value is. */
enum class json_type : std::int32_t {
    /** null, or no value at all: json::exists() tells them apart. */
    null = REFOLD_JSON_NULL,
    /** true or false. */
    boolean = REFOLD_JSON_BOOL,
    /** A number. */
    number = REFOLD_JSON_NUMBER,
    /** A string. */
    string = REFOLD_JSON_STRING,
    /** An array: elements in order. */
    array = REFOLD_JSON_ARRAY,
    /** An object: members, each with a key and a value, in the order in which they were sent. */
    object = REFOLD_JSON_OBJECT,
};

/* Error -------------------------------------------------------------------------------------------------- */

namespace detail {

/* What a C function returned for text that may be absent. */
inline std::optional<std::string_view> optional_text(const char *text) noexcept {
    if (text == nullptr)
        return std::nullopt;
    return std::string_view(text);
}

/* What a C function returned for a count that is negative where it is absent. */
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
 * Why something failed; what() is one sentence for people.
 *
 * Its copies share what they hold, which never changes; views into it live as long as one of them.
 */
class error : public std::runtime_error {
public:
    /** An error of your own, without an answer of the server: for tests, say. */
    error(refold::code code, const std::string &message) : std::runtime_error(message), code_(code) {}

    /** Takes over what a C function gave. */
    explicit error(refold_error *owned)
        : error(std::shared_ptr<const refold_error>(owned, refold_error_free)) {}

    /** What kind of failure it is. */
    refold::code code() const noexcept { return code_; }

    /** The HTTP status that the answer tells, in its body or else in its head. Absent without an answer. */
    std::optional<int> http_status() const noexcept {
        const int status = refold_error_http_status(error_.get());
        if (status == 0)
            return std::nullopt;
        return status;
    }

    /** The answer's field `http_error_type`, such as "NOT_FOUND". */
    std::optional<std::string_view> http_error_type() const noexcept {
        return detail::optional_text(refold_error_http_error_type(error_.get()));
    }

    /** The answer's field `error_code`, such as "RESOURCE_NOT_FOUND"; without one, its field `error`. */
    std::optional<std::string_view> api_code() const noexcept {
        return detail::optional_text(refold_error_api_code(error_.get()));
    }

    /** The id of the request, to quote to the vendor's support. */
    std::optional<std::string_view> request_id() const noexcept {
        return detail::optional_text(refold_error_request_id(error_.get()));
    }

    /** The body of the answer as it came, its first 65,536 bytes at most; perhaps not UTF-8. */
    std::optional<std::string_view> body() const noexcept {
        std::size_t length = 0;
        const char *bytes = refold_error_body(error_.get(), &length);
        if (bytes == nullptr)
            return std::nullopt;
        return std::string_view(bytes, length);
    }

    /** How long the server asks to wait before the next try, from when its answer came. */
    std::optional<std::chrono::milliseconds> retry_after() const noexcept {
        return detail::optional_milliseconds(refold_error_retry_after_ms(error_.get()));
    }

    /** Whether the same call may succeed later without a change. */
    bool is_retryable() const noexcept { return refold_error_is_retryable(error_.get()); }

    /** How many tries the call began. */
    std::uint32_t attempts() const noexcept { return refold_error_attempts(error_.get()); }

private:
    explicit error(std::shared_ptr<const refold_error> shared)
        : std::runtime_error(refold_error_message(shared.get())),
          code_(static_cast<refold::code>(refold_error_code(shared.get()))), error_(std::move(shared)) {}

    refold::code code_;
    std::shared_ptr<const refold_error> error_; /* Empty in an error that did not come from C. */
};

/* Text --------------------------------------------------------------------------------------------------- */

/**
 * Text to hand in, made by itself where a function of this header takes one; nobody needs to name it.
 *
 * A const char * and a std::string are read where they are. A std::string_view need not end with a NUL, so it
 * is copied for the call, and the copy wiped, as it may be a secret. Text that holds U+0000 is refused with
 * code::invalid_argument rather than cut there.
 */
class text_argument {
public:
    /** Text that ends with a NUL, or NULL: what that means is told where the text is taken. */
    text_argument(const char *text) noexcept : text_(text) {}

    /** A whole string. */
    text_argument(const std::string &text) : text_(text.c_str()) { refuse_nul(text); }

    /** A part of some text. */
    text_argument(std::string_view text) {
        refuse_nul(text);
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

    /** The text as C takes it: ending with a NUL, or NULL. */
    const char *c_str() const noexcept { return text_; }

private:
    static void refuse_nul(std::string_view text) {
        if (text.find('\0') != std::string_view::npos)
            throw error(code::invalid_argument, "the text handed in holds the character U+0000");
    }

    const char *text_ = nullptr;
    std::unique_ptr<char[]> copy_;
    std::size_t length_ = 0; /* of the copy */
};

/* Ranges ------------------------------------------------------------------------------------------------- */

/**
 * A range of values that are made when they are looked at: nodes, elements or members.
 *
 * It is a view, with random access, for range-for, the algorithms, and the ranges of C++20. What it holds are
 * values, so `for (auto item : range)` copies no more than a pointer or three.
 */
template <class Item, class Source, Item (*At)(const Source *, std::size_t) noexcept> class sequence {
public:
    /** What it is a range of. */
    using value_type = Item;

    /** An iterator with random access, whose reference is a value. */
    class iterator {
    public:
        /** What it leads to. */
        using value_type = Item;
        /** What dereferencing gives: a value, as there is nothing to refer to. */
        using reference = Item;
        /** Between two of them. */
        using difference_type = std::ptrdiff_t;
        /** As far as algorithms of C++17 care: those take more only from iterators over real references. */
        using iterator_category = std::input_iterator_tag;
        /** As far as the ranges of C++20 care. */
        using iterator_concept = std::random_access_iterator_tag;

        /** What `->` goes through. */
        class pointer {
        public:
            /** Keeps the item for as long as it is looked into. */
            explicit pointer(Item item) noexcept : item_(item) {}
            /** The item. */
            const Item *operator->() const noexcept { return &item_; }

        private:
            Item item_;
        };

        /** Leads nowhere. */
        iterator() noexcept = default;
        /** Leads to a position. */
        iterator(const Source *source, difference_type index) noexcept : source_(source), index_(index) {}

        /** \cond operators: those of every iterator with random access */
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

    /** No range to iterate over changes anything. */
    using const_iterator = iterator;

    /** An empty range. */
    sequence() noexcept = default;
    /** The first `size` items of what C knows by `source`. */
    sequence(const Source *source, std::size_t size) noexcept : source_(source), size_(size) {}

    /** How many there are. */
    std::size_t size() const noexcept { return size_; }
    /** Whether there are none. */
    bool empty() const noexcept { return size_ == 0; }
    /** The item at a position counted from 0; where there is none, one that reads as absent. */
    Item operator[](std::size_t index) const noexcept { return At(source_, index); }
    /** At the first item. */
    iterator begin() const noexcept { return iterator(source_, 0); }
    /** Behind the last item. */
    iterator end() const noexcept { return iterator(source_, static_cast<std::ptrdiff_t>(size_)); }

private:
    const Source *source_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace refold

#ifdef __cpp_lib_ranges
/** \cond what it promises to C++20: it is a view, and its iterators outlive it */
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

/** A range over the elements of an array. A view. */
using elements_range = sequence<json, refold_json, detail::element_at>;

/** A range over the members of an object. A view. */
using members_range = sequence<member, refold_json, detail::member_at>;

/**
 * One JSON value of any type, somewhere in the document of an execution, or none: a view.
 *
 * A value is looked into when somebody asks, so what nobody asks for costs nothing.
 */
class json {
public:
    /** No value. */
    constexpr json() noexcept = default;
    /** A value that C knows, or none for NULL. */
    constexpr explicit json(const refold_json *value) noexcept : value_(value) {}

    /** Whether there is a value. null is one. */
    constexpr bool exists() const noexcept { return value_ != nullptr; }

    /** What it is: json_type::null also where there is no value. */
    json_type type() const noexcept { return static_cast<json_type>(refold_json_typeof(value_)); }

    /** Whether it is the value null. */
    bool is_null() const noexcept { return exists() && type() == json_type::null; }

    /** true or false. Absent for anything else. */
    std::optional<bool> boolean() const noexcept {
        if (type() != json_type::boolean)
            return std::nullopt;
        return refold_json_bool(value_);
    }

    /**
     * A number as an integer: truncated towards zero, and the nearest that there is when it is out of range.
     * Absent for anything else.
     */
    std::optional<std::int64_t> integer() const noexcept {
        if (type() != json_type::number)
            return std::nullopt;
        return refold_json_int64(value_);
    }

    /** A number: the nearest that there is, and infinite when it is out of range. Absent for anything else.
     */
    std::optional<double> number() const noexcept {
        if (type() != json_type::number)
            return std::nullopt;
        return refold_json_double(value_);
    }

    /** A string, unescaped and whole. Half of a surrogate pair reads as U+FFFD. Absent for anything else. */
    std::optional<std::string_view> string() const noexcept {
        std::size_t length = 0;
        const char *text = refold_json_string(value_, &length);
        if (text == nullptr)
            return std::nullopt;
        return std::string_view(text, length);
    }

    /** The number of an array's elements or an object's members. 0 for anything else. */
    std::size_t size() const noexcept { return refold_json_length(value_); }

    /** The element of an array, or the value of an object's member, at a position counted from 0. */
    template <class Integer, std::enable_if_t<std::is_integral_v<Integer>, int> = 0>
    json operator[](Integer index) const noexcept {
        return json(refold_json_at(value_, static_cast<std::size_t>(index)));
    }

    /** The value of an object's member with a key; of a key that was sent twice, the last one. */
    json operator[](const text_argument &key) const noexcept {
        return json(refold_json_get(value_, key.c_str()));
    }

    /** The value that a JSON pointer (RFC 6901) leads to, such as "/nodes/0/node_name". */
    json pointer(const text_argument &pointer) const noexcept {
        return json(refold_json_pointer(value_, pointer.c_str()));
    }

    /** A range over the elements of an array, each a json. Empty for anything else. */
    elements_range elements() const noexcept;

    /** A range over the members of an object, each a refold::member. Empty for anything else. */
    members_range members() const noexcept;

    /** The JSON text, byte for byte as the server sent it, without a copy. Empty where there is no value. */
    std::string_view raw() const noexcept {
        std::size_t length = 0;
        const char *text = refold_json_raw(value_, &length);
        return text == nullptr ? std::string_view() : std::string_view(text, length);
    }

    /** What C knows it by; NULL where there is no value. */
    constexpr const refold_json *c_object() const noexcept { return value_; }

private:
    const refold_json *value_ = nullptr;
};

/** A member of an object: `for (auto [key, value] : json.members())`. A view. */
struct member {
    /** The key, unescaped and whole. */
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

/** One node of an execution: a view. */
class node {
public:
    /** A node that C knows. NULL reads as a node with nothing in it. */
    constexpr explicit node(const refold_node *value) noexcept : node_(value) {}

    /** The field `node_id`, which is unique in its execution. */
    std::optional<std::string_view> id() const noexcept {
        return detail::optional_text(refold_node_id(node_));
    }
    /** The field `node_name`, for people. */
    std::optional<std::string_view> name() const noexcept {
        return detail::optional_text(refold_node_name(node_));
    }
    /** The field `node_type`, such as "start". */
    std::optional<std::string_view> type() const noexcept {
        return detail::optional_text(refold_node_type(node_));
    }
    /** The field `node_status`, in the server's own words, such as "Success". */
    std::optional<std::string_view> status() const noexcept {
        return detail::optional_text(refold_node_status(node_));
    }
    /** What the field `node_status` means. */
    refold::state state() const noexcept { return static_cast<refold::state>(refold_node_state(node_)); }
    /** The field `is_batch`. false when it is absent. */
    bool is_batch() const noexcept { return refold_node_is_batch(node_); }
    /** The field `attempts_made`. */
    std::optional<std::int64_t> attempts_made() const noexcept {
        return detail::optional_count(refold_node_attempts_made(node_));
    }
    /** The field `maximum_attempts`. */
    std::optional<std::int64_t> maximum_attempts() const noexcept {
        return detail::optional_count(refold_node_maximum_attempts(node_));
    }
    /** The field `execution_time`: how long the node ran. */
    std::optional<std::chrono::milliseconds> execution_time() const noexcept {
        return detail::optional_milliseconds(refold_node_execution_time_ms(node_));
    }
    /** The field `latest_output`: what the node returned last, JSON of any type and size, or none. */
    refold::json latest_output() const noexcept { return refold::json(refold_node_latest_output(node_)); }
    /** The field `input_data`: what the node was given, JSON of any type and size, or none. */
    refold::json input_data() const noexcept { return refold::json(refold_node_input_data(node_)); }
    /** The whole node, with the fields that this class has no function for. */
    refold::json json() const noexcept { return refold::json(refold_node_json(node_)); }

    /** What C knows it by. */
    constexpr const refold_node *c_object() const noexcept { return node_; }

private:
    const refold_node *node_;
};

namespace detail {

inline node node_at(const refold_execution *execution, std::size_t index) noexcept {
    return node(refold_execution_node(execution, index));
}

/* Frees by a function of C. */
template <auto Free> struct freer {
    template <class Object> void operator()(Object *object) const noexcept { Free(object); }
};

/* The error of a call through C, until it is thrown. */
class failure {
public:
    failure() noexcept = default;
    failure(const failure &) = delete;
    failure &operator=(const failure &) = delete;
    ~failure() { refold_error_free(error_); }

    /* Where C writes to. */
    refold_error **place() noexcept { return &error_; }

    /* Gives back what C returned, if it did return something. */
    template <class Object> Object *unless_null(Object *object) {
        if (object == nullptr)
            raise();
        return object;
    }

private:
    [[noreturn]] void raise() {
        if (error_ == nullptr)
            throw error(code::internal, "the library failed and does not say why");
        throw error(std::exchange(error_, nullptr));
    }

    refold_error *error_ = nullptr;
};

} // namespace detail

/** A range over the nodes of an execution. A view. */
using nodes_range = sequence<node, refold_execution, detail::node_at>;

/**
 * A snapshot of one execution: its fields, its nodes, and the whole document that the server sent.
 *
 * It owns the snapshot, alone or with others that share() made. The snapshot never changes, outlives the
 * client, and is freed with its last owner.
 */
class execution {
public:
    /** Takes over what a C function gave; NULL reads as empty. */
    explicit execution(refold_execution *owned) noexcept : execution_(owned) {}

    /** Makes an execution from JSON text, such as a stored answer of the server. The text is copied. */
    static execution parse(std::string_view json) {
        detail::failure failure;
        refold_execution *parsed = refold_parse_execution(json.data(), json.size(), failure.place());
        return execution(failure.unless_null(parsed));
    }

    /** One more owner of the same snapshot: not a copy. It keeps what a progress callable was shown. */
    execution share() const noexcept { return execution(refold_execution_retain(execution_.get())); }

    /** The field `_id`; when the document has none, the id that was asked for. */
    std::optional<std::string_view> id() const &noexcept {
        return detail::optional_text(refold_execution_id(execution_.get()));
    }
    /** The field `name`, such as "Execution for workflow 6a106ba44480b80424a65289". */
    std::optional<std::string_view> name() const &noexcept {
        return detail::optional_text(refold_execution_name(execution_.get()));
    }
    /** The field `org_id`: the organisation. */
    std::optional<std::string_view> org_id() const &noexcept {
        return detail::optional_text(refold_execution_org_id(execution_.get()));
    }
    /** The field `environment`: "test" or "production". */
    std::optional<std::string_view> environment() const &noexcept {
        return detail::optional_text(refold_execution_environment(execution_.get()));
    }
    /** The field `status`, in the server's own words, such as "RUNNING". */
    std::string_view status() const &noexcept {
        return detail::optional_text(refold_execution_status(execution_.get())).value_or(std::string_view());
    }
    /** The field `config_id`: the configuration of the workflow. */
    std::optional<std::string_view> config_id() const &noexcept {
        return detail::optional_text(refold_execution_config_id(execution_.get()));
    }
    /** The field `linked_account_id`: the account that the run acted for. */
    std::optional<std::string_view> linked_account_id() const &noexcept {
        return detail::optional_text(refold_execution_linked_account_id(execution_.get()));
    }
    /** The field `createdAt`: when the run began, as RFC 3339 text in UTC. */
    std::optional<std::string_view> created_at() const &noexcept {
        return detail::optional_text(refold_execution_created_at(execution_.get()));
    }
    /** What the field `status` means. */
    refold::state state() const noexcept {
        return static_cast<refold::state>(refold_execution_state(execution_.get()));
    }
    /**
     * The field `completion_percentage`: 0 to 100, possibly with decimals, or whatever number the server
     * sends. One of -1 cannot be told from none.
     */
    std::optional<double> completion_percentage() const noexcept {
        const double percentage = refold_execution_completion_percentage(execution_.get());
        if (percentage == -1.0)
            return std::nullopt;
        return percentage;
    }

    /** A range over the nodes, in the order in which the run entered them. */
    nodes_range nodes() const &noexcept {
        return {execution_.get(), refold_execution_node_count(execution_.get())};
    }
    /** The node with an id; of several with the same id, the first. Fast in large executions, too. */
    std::optional<node> node_by_id(const text_argument &node_id) const &noexcept {
        const refold_node *found = refold_execution_node_by_id(execution_.get(), node_id.c_str());
        if (found == nullptr)
            return std::nullopt;
        return node(found);
    }
    /** The whole document, with the fields that this class has no function for. */
    refold::json json() const &noexcept { return refold::json(refold_execution_json(execution_.get())); }

    /** \name What a temporary execution does not give: a view into what is about to end
     * \{ */
    std::optional<std::string_view> id() const && = delete;
    std::optional<std::string_view> name() const && = delete;
    std::optional<std::string_view> org_id() const && = delete;
    std::optional<std::string_view> environment() const && = delete;
    std::string_view status() const && = delete;
    std::optional<std::string_view> config_id() const && = delete;
    std::optional<std::string_view> linked_account_id() const && = delete;
    std::optional<std::string_view> created_at() const && = delete;
    nodes_range nodes() const && = delete;
    std::optional<node> node_by_id(const text_argument &node_id) const && = delete;
    refold::json json() const && = delete;
    /** \} */

    /** What C knows it by, still owned by this object. */
    const refold_execution *c_object() const noexcept { return execution_.get(); }

private:
    std::unique_ptr<refold_execution, detail::freer<refold_execution_free>> execution_;
};

/* Options ------------------------------------------------------------------------------------------------ */

namespace detail {

inline std::uint64_t milliseconds(std::chrono::milliseconds time) {
    if (time.count() < 0)
        throw error(code::invalid_argument, "a time must not be negative");
    return static_cast<std::uint64_t>(time.count());
}

} // namespace detail

/**
 * Settings from which clients are made.
 *
 * Setters copy, and can be chained. A bad value is remembered, and reported when a client is made, except
 * for a negative time, which is refused at once; a later good one replaces it. nullptr restores the default.
 * One thread at a time may use it; clients keep nothing of it. Its secrets are wiped when it ends.
 */
class options {
public:
    /** Every setting at its default. */
    options() : options(refold_options_new()) {}

    /**
     * What the environment says, and every other setting at its default; see refold_options_new_from_env().
     *
     * To authenticate in another way than the environment says, take its way back: by
     * set_api_key(nullptr, nullptr), or set_session_token(nullptr).
     */
    static options from_env() { return options(refold_options_new_from_env()); }

    /** Authenticates with an API key of the organisation and the id of the linked account to act for. */
    options &set_api_key(const text_argument &api_key, const text_argument &linked_account_id) noexcept {
        refold_options_set_api_key(options_.get(), api_key.c_str(), linked_account_id.c_str());
        return *this;
    }
    /** Authenticates with a session token, which names the linked account itself. */
    options &set_session_token(const text_argument &session_token) noexcept {
        refold_options_set_session_token(options_.get(), session_token.c_str());
        return *this;
    }
    /** Where the API is. Default: "https://app.refold.ai". */
    options &set_base_url(const text_argument &base_url) noexcept {
        refold_options_set_base_url(options_.get(), base_url.c_str());
        return *this;
    }
    /** The time-out of one call, everything included. Default: 30 s. 0: none. */
    options &set_timeout(std::chrono::milliseconds timeout) {
        refold_options_set_timeout_ms(options_.get(), detail::milliseconds(timeout));
        return *this;
    }
    /** The time-out of each try to connect. Default: 10 s. 0: none but that of the call. */
    options &set_connect_timeout(std::chrono::milliseconds timeout) {
        refold_options_set_connect_timeout_ms(options_.get(), detail::milliseconds(timeout));
        return *this;
    }
    /** How often a call may be tried again after a failure that can pass by itself. Default: 2. */
    options &set_max_retries(std::uint32_t max_retries) noexcept {
        refold_options_set_max_retries(options_.get(), max_retries);
        return *this;
    }
    /** The largest answer to accept, after decompression. Default: 268,435,456. 0: no limit. */
    options &set_max_response_bytes(std::uint64_t bytes) noexcept {
        refold_options_set_max_response_bytes(options_.get(), bytes);
        return *this;
    }
    /** The pause between two polls of client::wait(). Default: 1 s. At least 10 ms. */
    options &set_poll_interval(std::chrono::milliseconds interval) {
        refold_options_set_poll_interval_ms(options_.get(), detail::milliseconds(interval));
        return *this;
    }
    /** The proxy to go through. Default: what the environment says. "": none. */
    options &set_proxy(const text_argument &url) noexcept {
        refold_options_set_proxy(options_.get(), url.c_str());
        return *this;
    }
    /** A file of certificates (PEM) to trust in addition to the default ones. */
    options &set_ca_file(const text_argument &path) noexcept {
        refold_options_set_ca_file(options_.get(), path.c_str());
        return *this;
    }
    /** Certificates to trust in addition to the default ones, as PEM text. A view of nothing restores the
     * default. */
    options &set_ca_pem(std::string_view pem) noexcept {
        refold_options_set_ca_pem(options_.get(), pem.data(), pem.size());
        return *this;
    }
    /** What your program calls itself, such as "monitor/2.1". */
    options &set_user_agent(const text_argument &product) noexcept {
        refold_options_set_user_agent(options_.get(), product.c_str());
        return *this;
    }
    /** Whether a base URL with http is accepted for every host. Default: false, only for loopback hosts. */
    options &set_allow_plaintext(bool allow) noexcept {
        refold_options_set_allow_plaintext(options_.get(), allow);
        return *this;
    }

    /** What C knows it by, still owned by this object. */
    const refold_options *c_object() const noexcept { return options_.get(); }

private:
    explicit options(refold_options *owned) : options_(detail::failure().unless_null(owned)) {}

    std::unique_ptr<refold_options, detail::freer<refold_options_free>> options_;
};

/* Cancelling --------------------------------------------------------------------------------------------- */

/**
 * A token that cancels every call it was handed to, now and later. Once triggered it stays so.
 *
 * Any number of calls on any threads may share it. Calls that have begun when it ends run on.
 */
class cancel_token {
public:
    /** A new token, not triggered. */
    cancel_token() : cancel_(detail::failure().unless_null(refold_cancel_new())) {}

    /**
     * Triggers it: every call that it was handed to throws code::cancelled within 50 ms. Any thread may do
     * so, and so may a signal handler.
     */
    void trigger() const noexcept { refold_cancel_trigger(cancel_.get()); }

    /** Whether it has been triggered. */
    bool is_triggered() const noexcept { return refold_cancel_is_triggered(cancel_.get()); }

    /** What C knows it by, still owned by this object. */
    refold_cancel *c_object() const noexcept { return cancel_.get(); }

private:
    std::unique_ptr<refold_cancel, detail::freer<refold_cancel_free>> cancel_;
};

/* Client ------------------------------------------------------------------------------------------------- */

namespace detail {

inline refold_cancel *c_object(const cancel_token *cancel) noexcept {
    return cancel == nullptr ? nullptr : cancel->c_object();
}

/* Stands between C and a callable, which may throw: an exception must not cross the frames of C. */
template <class Callable> class progress {
public:
    explicit progress(Callable &callable) noexcept : callable_(callable) {}

    static bool show(const refold_execution *shown, void *self) noexcept {
        return static_cast<progress *>(self)->call(execution(refold_execution_retain(shown)));
    }

    void rethrow() const {
        if (thrown_)
            std::rethrow_exception(thrown_);
    }

private:
    bool call(const execution &shown) noexcept {
        try {
            if constexpr (std::is_void_v<std::invoke_result_t<Callable &, const execution &>>) {
                callable_(shown);
                return true;
            } else {
                return static_cast<bool>(callable_(shown));
            }
        } catch (...) {
            thrown_ = std::current_exception();
            return false;
        }
    }

    Callable &callable_;
    std::exception_ptr thrown_;
};

} // namespace detail

/**
 * What calls go through: settings that were checked, and a pool of connections that its calls share.
 *
 * Any number of threads may call through one client at the same time, and one client for a whole program is
 * best.
 */
class client {
public:
    /** Checks all settings at once and makes a client from them. Nothing is sent. */
    explicit client(const options &settings) {
        detail::failure failure;
        refold_client *made = refold_client_new(settings.c_object(), failure.place());
        client_.reset(failure.unless_null(made));
    }

    /**
     * Gets one execution, with the detail of every node.
     *
     * A run that ended badly is an execution, not an error: see execution::state(). Blocks the calling
     * thread, at most for the time-out of the options. `cancel` may be nullptr.
     */
    execution get(const text_argument &execution_id, const cancel_token *cancel = nullptr) const {
        detail::failure failure;
        refold_execution *got = refold_get_execution(client_.get(), execution_id.c_str(),
                                                     detail::c_object(cancel), failure.place());
        return execution(failure.unless_null(got));
    }

    /** Polls an execution until it has ended, and returns its last snapshot: wait() below without progress.
     */
    execution wait(const text_argument &execution_id, std::chrono::milliseconds timeout = {},
                   std::nullptr_t = nullptr, const cancel_token *cancel = nullptr) const {
        const auto nothing = [](const execution &) noexcept {};
        return wait(execution_id, timeout, nothing, cancel);
    }

    /**
     * Polls an execution until it has ended, and returns its last snapshot.
     *
     * `timeout` bounds the wait as a whole; 0: none, and then it may never end. `on_progress` is called with
     * each snapshot (const execution &), the last one included, on the calling thread. If it returns void or
     * true the wait goes on; if false, it ends with code::cancelled, except at a last snapshot, where there
     * is nothing left to stop. An exception that it throws ends the wait, too, and comes out of this
     * function. It must not end its thread, as pthread_exit() does. It may use the same client and token;
     * execution::share() keeps what it was shown. `cancel` may be nullptr.
     */
    template <class Progress>
    execution wait(const text_argument &execution_id, std::chrono::milliseconds timeout,
                   Progress &&on_progress, const cancel_token *cancel = nullptr) const {
        using callable = detail::progress<std::remove_reference_t<Progress>>;
        callable progress(on_progress);
        detail::failure failure;
        execution last(refold_wait_execution(client_.get(), execution_id.c_str(),
                                             detail::milliseconds(timeout), callable::show, &progress,
                                             detail::c_object(cancel), failure.place()));
        progress.rethrow();
        failure.unless_null(last.c_object());
        return last;
    }

    /**
     * Gives the client a new session token, for calls, and polls of a wait, that begin later.
     *
     * Throws code::invalid_argument when the token is none that options::set_session_token() takes, or the
     * client was made with an API key; code::internal in a process that was forked while a token was being
     * set, which needs a new client. This one then goes on as before.
     */
    void set_session_token(const text_argument &session_token) const {
        const refold_code outcome = refold_client_set_session_token(client_.get(), session_token.c_str());
        if (outcome == REFOLD_ERROR_INVALID_ARGUMENT)
            throw error(code::invalid_argument,
                        "session_token: it cannot be sent, or the client was made with an API key");
        if (outcome != REFOLD_OK)
            throw error(static_cast<refold::code>(outcome),
                        "session_token: it could not be set: make a new client");
    }

    /** What C knows it by, still owned by this object. */
    const refold_client *c_object() const noexcept { return client_.get(); }

private:
    std::unique_ptr<refold_client, detail::freer<refold_client_free>> client_;
};

} // namespace refold

#endif /* REFOLD_HPP */
