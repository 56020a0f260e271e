/* Invalid arguments: the error message names the argument and nothing is sent. */
#define _GNU_SOURCE
#include "client.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the message names the argument, ignoring case and treating `_` and `-` as spaces; `|` separates
 * alternative names. */
static bool mentions(const char *message, const char *argument) {
    char normalized[2000];
    size_t length = 0;
    for (; message[length] != '\0' && length < sizeof normalized - 1; length++) {
        char byte = (char)tolower((unsigned char)message[length]);
        normalized[length] = byte == '_' || byte == '-' ? ' ' : byte;
    }
    normalized[length] = '\0';
    char choices[200];
    snprintf(choices, sizeof choices, "%s", argument);
    char *rest = choices;
    for (char *name; (name = strsep(&rest, "|")) != NULL;)
        if (strstr(normalized, name) != NULL)
            return true;
    return false;
}

/* Expects that creating a client fails with a message that names the argument; frees the options. */
static void expect_refusal(refold_options *options, const char *argument) {
    refold_error *error = client_error(options);
    if (CHECK_ERROR(error, REFOLD_ERROR_INVALID_ARGUMENT, NULL) &&
        !mentions(refold_error_message(error), argument))
        FAIL("\"%s\" does not mention the %s", refold_error_message(error), argument);
    CHECK(!refold_error_is_retryable(error));
    CHECK_INT(refold_error_attempts(error), 0);
    refold_error_free(error);
}

static void expect_client(refold_options *options) { refold_client_free(client_of(options)); }

/* Base URLs ---------------------------------------------------------------------------------------------- */

TEST(valid_base_urls_are_accepted) {
    static const char *const urls[] = {"https://app.refold.ai",
                                       "https://app.refold.ai/",
                                       "https://example.com/prefix",
                                       "https://example.com/a/b-c_d.e~f/",
                                       "https://example.com:1",
                                       "https://example.com:443/",
                                       "https://example.com:65535/x",
                                       "https://192.0.2.1",
                                       "https://[2001:db8::1]",
                                       "https://[::1]:8443/prefix/",
                                       "https://xn--bcher-kva.example",
                                       "http://localhost",
                                       "http://localhost:8080/",
                                       "http://127.0.0.1",
                                       "http://127.0.0.1:8080/prefix",
                                       "http://127.255.255.254:1",
                                       "http://[::1]",
                                       "http://[::1]:8080"};
    for (size_t i = 0; i < COUNT(urls); i++) {
        check_case("%s", urls[i]);
        expect_client(test_options(urls[i]));
    }
}

TEST(invalid_base_urls_are_rejected) {
    static const char *const urls[] = {"",
                                       " ",
                                       "/",
                                       "app.refold.ai",
                                       "//app.refold.ai",
                                       "https:",
                                       "https:app.refold.ai",
                                       "https:/app.refold.ai",
                                       "https://",
                                       "https:///path",
                                       "https://:443",
                                       "ftp://example.com",
                                       "file:///etc/passwd",
                                       "socks5://127.0.0.1:1",
                                       "https://user@example.com",
                                       "https://user:password@example.com",
                                       "https://:password@example.com",
                                       "https://@example.com",
                                       "https://example.com?query",
                                       "https://example.com/?",
                                       "https://example.com/path?query=1",
                                       "https://example.com#fragment",
                                       "https://example.com/#",
                                       "https://example.com:0",
                                       "https://example.com:65536",
                                       "https://example.com:99999",
                                       "https://example.com:4294967739",
                                       "https://example.com:18446744073709552059",
                                       "https://example.com:-1",
                                       "https://example.com:+1",
                                       "https://example.com:port",
                                       "https://example.com:80:80",
                                       "https://example.com: 80",
                                       "https://b\xc3\xbc"
                                       "cher.example",
                                       "https://example.com\xe3\x80\x82",
                                       "https://ex ample.com",
                                       "https://example.com/a b",
                                       " https://example.com",
                                       "https://example.com ",
                                       "https://example.com\n",
                                       "https://example.com/\r\nx-injected: 1",
                                       "https://example.com\t",
                                       "https://example.com/\x7f",
                                       "https://example.com\\path",
                                       "https://exa<mple.com",
                                       "https://[::1",
                                       "https://::1",
                                       "https://[::g]",
                                       "https://[127.0.0.1]",
                                       "https://[]",
                                       "https://\xff.example",
                                       "https://example.com/\xff",
                                       "https://example.com/\xed\xa0\x80",
                                       "http://app.refold.ai",
                                       "http://example.com:8080",
                                       "http://localhost.example.com",
                                       "http://127.0.0.1.example.com",
                                       "http://128.0.0.1",
                                       "http://126.255.255.255",
                                       "http://0.0.0.0",
                                       "http://10.0.0.1",
                                       "http://[::]",
                                       "http://[::2]",
                                       "http://[fe80::1]",
                                       "http://127.1",
                                       "http://2130706433",
                                       "http://0x7f.0.0.1"};
    for (size_t i = 0; i < COUNT(urls); i++) {
        check_case("%s", urls[i]);
        expect_refusal(test_options(urls[i]), "base url");
    }
}

TEST(plaintext_beyond_loopback_must_be_allowed) {
    refold_options *options = test_options("http://example.com:8080/x");
    refold_options_set_allow_plaintext(options, true);
    expect_client(options);
    options = test_options("http://example.com");
    refold_options_set_allow_plaintext(options, true);
    refold_options_set_allow_plaintext(options, false);
    expect_refusal(options, "base url");
    options = test_options("ftp://example.com");
    refold_options_set_allow_plaintext(options, true);
    expect_refusal(options, "base url");
}

/* A C caller may pass any byte as a bool: all but 0 are true. */
TEST(any_nonzero_byte_is_true) {
    typedef void set_byte(refold_options *, unsigned char);
    set_byte *set = (set_byte *)(void (*)(void))refold_options_set_allow_plaintext;
    for (unsigned byte = 0; byte < 256; byte += byte < 4 ? 1 : 63) {
        refold_options *options = test_options("http://example.com");
        check_case("%u", byte);
        set(options, (unsigned char)byte);
        if (byte == 0)
            expect_refusal(options, "base url");
        else
            expect_client(options);
    }
}

TEST(localhost_is_loopback) {
    struct server *server = serve_body(COMPLETED);
    char *url = text_of("http://localhost:%u", server_port(server));
    refold_client *client = client_of(test_options(url));
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    free(url);
    server_stop(server);
}

/* Credentials -------------------------------------------------------------------------------------------- */

static refold_options *with_credentials(const char *key, const char *account, const char *token) {
    refold_options *options = refold_options_new();
    refold_options_set_api_key(options, key, account);
    refold_options_set_session_token(options, token);
    return options;
}

TEST(exactly_one_auth_scheme_is_required) {
    static const struct {
        const char *key, *account, *token, *mentioned;
    } cases[] = {
        {"k", "a", NULL, NULL},
        {NULL, NULL, "t", NULL},
        {"pk_\xc3\xa9\xf0\x9f\x98\x80", "J\xc3\xb6rg <j@example.com> \"x\"", NULL, NULL},
        {NULL, NULL, "t\xc3\xa9", NULL},
        {NULL, NULL, NULL, "api key|session token"},
        {"", "", NULL, "api key"},
        {"", "a", NULL, "api key"},
        {"k", "", NULL, "linked account id"},
        {"k", NULL, NULL, "linked account id"},
        {NULL, "a", NULL, "api key"},
        {NULL, NULL, "", "session token"},
        {"k", "a", "t", "session token"},
        {"k", NULL, "t", "session token|linked account id"},
        {NULL, "a", "t", "session token"},
        {"k", "a", "", "session token"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        refold_options *options = with_credentials(cases[i].key, cases[i].account, cases[i].token);
        check_case("%zu: %s %s %s", i, cases[i].key, cases[i].account, cases[i].token);
        if (cases[i].mentioned == NULL)
            expect_client(options);
        else
            expect_refusal(options, cases[i].mentioned);
    }
}

TEST(an_account_with_a_token_is_reported) {
    refold_error *error = client_error(with_credentials(NULL, "a", "t"));
    REQUIRE(CHECK_ERROR(error, REFOLD_ERROR_INVALID_ARGUMENT, NULL));
    CHECK(mentions(refold_error_message(error), "linked account id"));
    CHECK(mentions(refold_error_message(error), "session token"));
    CHECK(!mentions(refold_error_message(error), "api key"));
    refold_error_free(error);
}

/* HTTP strips outer whitespace, so the server would receive another credential. Inner spaces are allowed. */
TEST(credentials_with_outer_whitespace_are_rejected) {
    static const char *const texts[] = {" x", "x ", " x ", " ", "  "};
    for (size_t i = 0; i < COUNT(texts); i++) {
        check_case("\"%s\"", texts[i]);
        expect_refusal(with_credentials(texts[i], "account", NULL), "api key");
        expect_refusal(with_credentials("key", texts[i], NULL), "linked account id");
        expect_refusal(with_credentials(NULL, NULL, texts[i]), "session token");
    }
    check_case("inside");
    expect_client(with_credentials("k e y", "an account", NULL));
    expect_client(with_credentials(NULL, NULL, "a token"));
}

TEST(credentials_are_limited_to_8_kib) {
    char *text = repeated("k", 8193);
    expect_refusal(with_credentials(text, "account", NULL), "api key");
    expect_refusal(with_credentials("key", text, NULL), "linked account id");
    expect_refusal(with_credentials(NULL, NULL, text), "session token");
    refold_client *client = client_of(with_credentials(NULL, NULL, "token"));
    CHECK_INT(refold_client_set_session_token(client, text), REFOLD_ERROR_INVALID_ARGUMENT);
    text[8192] = '\0';
    CHECK_INT(refold_client_set_session_token(client, text), REFOLD_OK);
    refold_client_free(client);
    expect_client(with_credentials(text, text, NULL));
    expect_client(with_credentials(NULL, NULL, text));
    free(text);
}

/* Rejected in credentials, the user agent and other texts: control characters and invalid UTF-8. */
static const char *const bad_texts[] = {"a\nb",
                                        "a\rb",
                                        "a\r\nx-injected: 1",
                                        "\tx",
                                        "a\x01",
                                        "\x1f",
                                        "\x7f",
                                        "a\x1b[0m",
                                        "\xff",
                                        "a\x80",
                                        "\xc3",
                                        "\xc0\x80",
                                        "\xed\xa0\x80",
                                        "a\xf4\x90\x80\x80",
                                        "\xe2\x82"};

TEST(credentials_must_be_utf8_without_control_characters) {
    for (size_t i = 0; i < COUNT(bad_texts); i++) {
        check_case("%zu", i);
        expect_refusal(with_credentials(bad_texts[i], "account", NULL), "api key");
        expect_refusal(with_credentials("key", bad_texts[i], NULL), "linked account id");
        expect_refusal(with_credentials(NULL, NULL, bad_texts[i]), "session token");
        refold_options *options = test_options(NULL);
        refold_options_set_user_agent(options, bad_texts[i]);
        expect_refusal(options, "user agent");
    }
}

TEST(user_agent_length_is_limited) {
    char *product = repeated("p", 1025);
    refold_options *options = test_options(NULL);
    refold_options_set_user_agent(options, product);
    expect_refusal(options, "user agent");
    product[1024] = '\0';
    options = test_options(NULL);
    refold_options_set_user_agent(options, product);
    refold_client_free(client_of(options));
    free(product);
}

TEST(rejected_credentials_are_not_shown) {
    static const char secret[] = "geheim\x01geheim";
    refold_options *options = with_credentials(secret, "account", NULL);
    refold_error *error = client_error(options);
    CHECK_LACKS(refold_error_message(error), "geheim");
    refold_error_free(error);
    error = client_error(with_credentials(NULL, NULL, secret));
    CHECK_LACKS(refold_error_message(error), "geheim");
    refold_error_free(error);
    options = test_options(NULL);
    refold_options_set_proxy(options, "http://user:geheim@example.com:99999");
    error = client_error(options);
    CHECK_ERROR(error, REFOLD_ERROR_INVALID_ARGUMENT, NULL);
    CHECK_LACKS(refold_error_message(error), "geheim");
    refold_error_free(error);
    error = client_error(test_options("https://user:geheim@example.com"));
    CHECK_LACKS(refold_error_message(error), "geheim");
    refold_error_free(error);
}

TEST(a_valid_value_replaces_an_earlier_invalid_one) {
    struct server *server = serve_body(COMPLETED);
    refold_options *options = refold_options_new();
    refold_options_set_api_key(options, "\n", "");
    refold_options_set_session_token(options, "\xff");
    refold_options_set_base_url(options, "nonsense");
    refold_options_set_poll_interval_ms(options, 0);
    refold_options_set_proxy(options, "nonsense");
    refold_options_set_ca_file(options, "/no/such/file");
    refold_options_set_ca_pem(options, "nonsense", 8);
    refold_options_set_user_agent(options, "\r\n");

    refold_options_set_api_key(options, "key", "account");
    refold_options_set_session_token(options, NULL);
    refold_options_set_base_url(options, server_url(server));
    refold_options_set_poll_interval_ms(options, 10);
    refold_options_set_proxy(options, "");
    refold_options_set_ca_file(options, certificate_path("ca.pem"));
    refold_options_set_ca_pem(options, NULL, 8);
    refold_options_set_user_agent(options, "product/1");
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK_STR(head_value(server_head(server, 0), "x-api-key"), "key");
    refold_client_free(client);
    server_stop(server);
}

TEST(an_invalid_value_replaces_an_earlier_valid_one) {
    refold_options *options = test_options("https://example.com");
    refold_options_set_base_url(options, "nonsense");
    expect_refusal(options, "base url");
}

TEST(null_removes_a_key) {
    refold_options *options = with_credentials("key", "account", "token");
    refold_options_set_api_key(options, NULL, NULL);
    expect_client(options);
    options = with_credentials("key", "account", "token");
    refold_options_set_session_token(options, NULL);
    expect_client(options);
    options = with_credentials("key", "account", NULL);
    refold_options_set_api_key(options, NULL, NULL);
    expect_refusal(options, "api key|session token");
}

TEST(setters_copy_their_strings) {
    struct server *server = serve_body(COMPLETED);
    char url[100], key[] = "key", account[] = "account", product[] = "product";
    snprintf(url, sizeof url, "%s", server_url(server));
    refold_options *options = refold_options_new();
    refold_options_set_api_key(options, key, account);
    refold_options_set_base_url(options, url);
    refold_options_set_user_agent(options, product);
    memset(url, '\n', sizeof url - 1);
    memset(key, '\n', sizeof key - 1);
    memset(account, '\n', sizeof account - 1);
    memset(product, '\n', sizeof product - 1);
    refold_client *client = client_of(options);
    CHECK_INT(get_code(client), REFOLD_OK);
    CHECK_STR(head_value(server_head(server, 0), "x-api-key"), "key");
    CHECK_STR(head_value(server_head(server, 0), "linked_account_id"), "account");
    refold_client_free(client);
    server_stop(server);
}

TEST(options_can_create_any_number_of_clients) {
    struct server *server = serve_body(COMPLETED);
    refold_options *options = test_options(server_url(server));
    refold_client *first = refold_client_new(options, NULL);
    refold_options_set_api_key(options, "another", "account");
    refold_client *second = refold_client_new(options, NULL);
    refold_options_free(options);
    CHECK_INT(get_code(first), REFOLD_OK);
    CHECK_INT(get_code(second), REFOLD_OK);
    CHECK_STR(head_value(server_head(server, 0), "x-api-key"), TEST_KEY);
    CHECK_STR(head_value(server_head(server, 1), "x-api-key"), "another");
    refold_client_free(first);
    refold_client_free(second);
    server_stop(server);
}

/* Numbers ------------------------------------------------------------------------------------------------ */

TEST(poll_intervals_are_at_least_10_ms) {
    for (uint64_t interval = 0; interval < 13; interval += 3) {
        for (int i = 0; i < 2; i++) {
            refold_options *options = test_options(NULL);
            uint64_t value = interval + (uint64_t)i;
            check_case("%d", (int)value);
            refold_options_set_poll_interval_ms(options, value);
            if (value < 10)
                expect_refusal(options, "poll interval");
            else
                expect_client(options);
        }
    }
}

/* Ids ---------------------------------------------------------------------------------------------------- */

TEST(invalid_ids_are_rejected_unsent) {
    char *long_id = repeated("a", 257);
    const char *const ids[] = {NULL,
                               "",
                               ".",
                               "..",
                               "/",
                               "a/b",
                               "../x",
                               "a b",
                               " a",
                               "a\n",
                               "a\tb",
                               "a%2Fb",
                               "%2e%2e",
                               "a?b",
                               "a#b",
                               "a\\b",
                               "a+b",
                               "a;b",
                               "a@b",
                               "a&b",
                               "a=b",
                               "a,b",
                               "a!b",
                               "a*b",
                               "(a)",
                               "a'b",
                               "a\"b",
                               "{a}",
                               "[a]",
                               "a|b",
                               "a^b",
                               "a`b",
                               "$a",
                               "<a>",
                               "\x7f",
                               "\x01",
                               "\xff",
                               "a\xc3",
                               "\xc3\xa9",
                               "\xf0\x9f\x98\x80",
                               "a\r\nx-injected: 1",
                               long_id};
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_to(server);
    for (size_t i = 0; i < COUNT(ids) * 2; i++) {
        const char *id = ids[i / 2];
        refold_error *error = UNREAD_ERROR;
        check_case("%s", id);
        refold_execution *execution = i % 2 == 0
                                          ? refold_get_execution(client, id, NULL, &error)
                                          : refold_wait_execution(client, id, 1000, NULL, NULL, NULL, &error);
        CHECK(execution == NULL);
        if (CHECK_ERROR(error, REFOLD_ERROR_INVALID_ARGUMENT, NULL))
            CHECK(mentions(refold_error_message(error), "execution id"));
        CHECK_INT(refold_error_attempts(error), 0);
        refold_error_free(error);
        refold_execution_free(execution);
    }
    CHECK_INT(server_connections(server), 0);
    refold_client_free(client);
    server_stop(server);
    free(long_id);
}

TEST(valid_ids_are_sent_verbatim) {
    char *long_id = repeated("a", 256);
    const char *const ids[] = {"a",  "0",  "-",   "_",           "~",     ":",    "...",
                               "a.", ".a", "..a", "A-Z_a.z~0:9", TEST_ID, long_id};
    struct server *server = serve_body(COMPLETED);
    refold_client *client = client_to(server);
    for (size_t i = 0; i < COUNT(ids); i++) {
        refold_error *error = UNREAD_ERROR;
        char *line = text_of("GET /api/v2/public/execution/%s HTTP/1.1", ids[i]);
        check_case("%s", ids[i]);
        refold_execution *execution = refold_get_execution(client, ids[i], NULL, &error);
        CHECK_INT(refold_error_code(error), REFOLD_OK);
        CHECK_STR(refold_execution_id(execution), ids[i]);
        CHECK_STR(head_line(server_head(server, i)), line);
        refold_execution_free(execution);
        refold_error_free(error);
        free(line);
    }
    refold_client_free(client);
    server_stop(server);
    free(long_id);
}

/* Nothing is sent ---------------------------------------------------------------------------------------- */

static void break_key(refold_options *options) { refold_options_set_api_key(options, "a\nb", "account"); }
static void break_account(refold_options *options) { refold_options_set_api_key(options, "key", "\x01"); }
static void break_authentication(refold_options *options) {
    refold_options_set_session_token(options, "both");
}
static void break_interval(refold_options *options) { refold_options_set_poll_interval_ms(options, 1); }
static void break_proxy(refold_options *options) {
    refold_options_set_proxy(options, "gopher://127.0.0.1:1");
}
static void break_ca_file(refold_options *options) { refold_options_set_ca_file(options, "/no/such/file"); }
static void break_ca_pem(refold_options *options) { refold_options_set_ca_pem(options, "no", 2); }
static void break_agent(refold_options *options) { refold_options_set_user_agent(options, "a\r\nb: c"); }

TEST(invalid_arguments_send_nothing) {
    static const struct {
        const char *mentioned;
        void (*break_it)(refold_options *);
    } cases[] = {{"api key", break_key},
                 {"linked account id", break_account},
                 {"session token", break_authentication},
                 {"poll interval", break_interval},
                 {"proxy", break_proxy},
                 {"ca file", break_ca_file},
                 {"ca pem|ca text", break_ca_pem},
                 {"user agent", break_agent}};
    struct server *server = serve_body(COMPLETED);
    for (size_t i = 0; i < COUNT(cases); i++) {
        refold_options *options = test_options(server_url(server));
        check_case("%s", cases[i].mentioned);
        cases[i].break_it(options);
        expect_refusal(options, cases[i].mentioned);
    }
    CHECK_INT(server_connections(server), 0);
    server_stop(server);
}

/* Proxies ------------------------------------------------------------------------------------------------ */

static const char *const good_proxies[] = {"",
                                           "http://127.0.0.1:3128",
                                           "http://proxy.example:1",
                                           "http://proxy.example:65535/",
                                           "http://user:password@proxy.example:8080",
                                           "http://user:p%40ss@proxy.example:8080",
                                           "http://[::1]:3128",
                                           "socks5://127.0.0.1:1080",
                                           "socks5h://proxy.example:1080",
                                           "socks://proxy.example:1080",
                                           "socks5://user:password@127.0.0.1:1080"};
static const char *const bad_proxies[] = {"https://proxy.example:443",
                                          "ftp://proxy.example:21",
                                          "socks4://proxy.example:1080",
                                          "socks4a://proxy.example:1080",
                                          "socks6://proxy.example:1080",
                                          "nonsense",
                                          " ",
                                          "http:",
                                          "http://",
                                          "http://:3128",
                                          "http://proxy.example:0",
                                          "http://proxy.example:65536",
                                          "http://proxy.example:port",
                                          "http://proxy.example:-1",
                                          "http://pro xy.example:3128",
                                          "http://proxy.example:3128\r\nx-injected: 1",
                                          "http://[::1:3128",
                                          "http://\xff.example:3128",
                                          "://proxy.example:3128"};

TEST(proxy_urls_are_validated) {
    for (size_t i = 0; i < COUNT(good_proxies); i++) {
        refold_options *options = test_options("https://example.com");
        check_case("%s", good_proxies[i]);
        refold_options_set_proxy(options, good_proxies[i]);
        expect_client(options);
    }
    for (size_t i = 0; i < COUNT(bad_proxies); i++) {
        refold_options *options = test_options("https://example.com");
        check_case("%s", bad_proxies[i]);
        refold_options_set_proxy(options, bad_proxies[i]);
        expect_refusal(options, "proxy");
    }
}

TEST(proxy_variables_are_validated) {
    static const char *const variables[] = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"};
    for (size_t i = 0; i < COUNT(variables); i++) {
        check_case("%s", variables[i]);
        setenv(variables[i], "http://127.0.0.1:3128", 1);
        expect_client(test_options("https://example.com"));
        setenv(variables[i], "gopher://127.0.0.1:70", 1);
        expect_refusal(test_options("https://example.com"), "https proxy|all proxy");
        refold_options *options = test_options("https://example.com");
        refold_options_set_proxy(options, "");
        expect_client(options);
        options = test_options("https://example.com");
        refold_options_set_proxy(options, "http://127.0.0.1:3128");
        expect_client(options);
        unsetenv(variables[i]);
    }
}

/* Plaintext base URLs use no proxy from the environment, and HTTP_PROXY is never read. */
TEST(plaintext_requests_bypass_proxy_variables) {
    static const char *const variables[] = {"HTTP_PROXY",  "http_proxy", "HTTPS_PROXY",
                                            "https_proxy", "ALL_PROXY",  "all_proxy"};
    struct server *server = serve_body(COMPLETED);
    struct dead_port *proxy = refusing_port(NULL);
    for (size_t i = 0; i < COUNT(variables); i++) {
        check_case("%s", variables[i]);
        setenv(variables[i], dead_port_url(proxy), 1);
        refold_client *client = client_to(server);
        CHECK_INT(get_code(client), REFOLD_OK);
        refold_client_free(client);
        unsetenv(variables[i]);
    }
    dead_port_free(proxy);
    server_stop(server);
}

/* With a proxy on another host, a loopback base URL does not keep plaintext on this host. */
TEST(plaintext_through_a_remote_proxy_must_be_allowed) {
    static const struct {
        const char *base, *proxy;
        bool is_fine;
    } rows[] = {{"http://127.0.0.1:8080", "http://127.0.0.2:3128", true},
                {"http://localhost", "socks5h://localhost:1080", true},
                {"http://[::1]", "socks5://[::1]", true},
                {"http://127.0.0.1:8080", "http://proxy.invalid:3128", false},
                {"http://localhost", "http://user:word@192.0.2.1", false},
                {"http://localhost", "socks5://proxy.invalid", false},
                {"http://localhost", "socks5h://[2001:db8::1]", false},
                {"https://localhost", "http://proxy.invalid:3128", true}};
    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        bool is_allowed = i % 2 == 1;
        refold_options *options = test_options(rows[i / 2].base);
        refold_options_set_proxy(options, rows[i / 2].proxy);
        refold_options_set_allow_plaintext(options, is_allowed);
        check_case("%s through %s%s", rows[i / 2].base, rows[i / 2].proxy, is_allowed ? ", allowed" : "");
        if (rows[i / 2].is_fine || is_allowed)
            expect_client(options);
        else
            expect_refusal(options, "proxy");
    }
}

/* Certificates ------------------------------------------------------------------------------------------- */

static char *read_text(const char *path) {
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 65536);
    if (file == NULL || text == NULL || fread(text, 1, 65535, file) == 0)
        abort();
    fclose(file);
    return text;
}

/* Writes a file into a folder that the caller removes. */
static char *write_text(const char *folder, const char *name, const char *text) {
    char *path = text_of("%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fwrite(text, 1, strlen(text), file) != strlen(text) || fclose(file) != 0)
        abort();
    return path;
}

#define BEGIN_CERTIFICATE "-----BEGIN CERTIFICATE-----\n"
#define END_CERTIFICATE "-----END CERTIFICATE-----\n"

struct pem_case {
    const char *name;
    char *text;
    bool is_valid;
};

enum { PEM_CASES = 28 };

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* The certificate with other BEGIN and END lines, freed by the caller. */
static char *relabelled(const char *pem, const char *label) {
    const char *inside = strstr(pem, BEGIN_CERTIFICATE) + strlen(BEGIN_CERTIFICATE);
    int length = (int)(strstr(inside, END_CERTIFICATE) - inside);
    return text_of("-----BEGIN %s-----\n%.*s-----END %s-----\n", label, length, inside, label);
}

/* Two texts with other ends of their lines, freed by the caller. */
static char *with_line_ends(const char *first, const char *second, const char *end) {
    char *text = text_of("%s%s", first, second);
    char *changed = text_of("%s", "");
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char *longer = text_of("%s%s%s", changed, line, end);
        free(changed);
        changed = longer;
    }
    free(text);
    return changed;
}

static void make_pem_cases(struct pem_case *cases) {
    char *good = read_text(certificate_path("ca.pem"));
    char *other = read_text(certificate_path("unknown-ca.pem"));
    char *key = read_text(certificate_path("ca.key"));
    const char *no_end = strstr(good, "-----END");
    char *trusted = relabelled(other, "TRUSTED CERTIFICATE");
    char *x509 = relabelled(other, "X509 CERTIFICATE");
    char *glued_after_good = text_of("%.*s%s", (int)strlen(good) - 1, good, other);
    char *one_line = with_line_ends(good, "", "");
    const struct pem_case made[PEM_CASES] = {
        {"one", text_of("%s", good), true},
        {"two", text_of("%s%s", good, other), true},
        {"with surrounding text", text_of("the authority:\n%s\nthe end\n", good), true},
        {"with a key", text_of("%s%s", key, good), true},
        {"only a key", text_of("%s", key), false},
        {"nothing", text_of("%s", ""), false},
        {"nonsense", text_of("nonsense\n"), false},
        {"an empty certificate", text_of(BEGIN_CERTIFICATE END_CERTIFICATE), false},
        {"not base64", text_of(BEGIN_CERTIFICATE "!!!!\n" END_CERTIFICATE), false},
        {"not a certificate", text_of(BEGIN_CERTIFICATE "AAAA\n" END_CERTIFICATE), false},
        {"good, then not a certificate", text_of("%s" BEGIN_CERTIFICATE "AAAA\n" END_CERTIFICATE, good),
         false},
        {"good, then not base64", text_of("%s" BEGIN_CERTIFICATE "!!!!\n" END_CERTIFICATE, good), false},
        {"cut off", text_of("%.*s", (int)(no_end - good), good), false},
        {"good, then of a form that is not read", text_of("%s%s", good, trusted), false},
        {"of a form that is not read, then good", text_of("%s%s", trusted, good), false},
        {"good, then of another such form", text_of("%s%s", good, x509), false},
        {"a byte order mark", text_of(BYTE_ORDER_MARK "%s", good), true},
        {"a byte order mark before two", text_of(BYTE_ORDER_MARK "%s%s", good, other), true},
        {"a byte order mark before the second", text_of("%s" BYTE_ORDER_MARK "%s", good, other), true},
        {"a byte order mark alone", text_of(BYTE_ORDER_MARK), false},
        {"a byte order mark before a broken one",
         text_of("%s" BYTE_ORDER_MARK BEGIN_CERTIFICATE "AAAA\n" END_CERTIFICATE, good), false},
        {"glued to the last line", glued_after_good, false},
        {"glued in the middle", text_of("%s%s", glued_after_good, good), false},
        {"indented", text_of("%s  %s", good, other), false},
        {"in one line", text_of("%s", one_line), false},
        {"good, then in one line", text_of("%s%s", good, one_line), false},
        {"lines that end with CR LF", with_line_ends(good, other, "\r\n"), true},
        {"good, then not ended", text_of("%s%.*s", good, (int)(no_end - good), good), false},
    };
    memcpy(cases, made, sizeof made);
    free(good);
    free(other);
    free(key);
    free(trusted);
    free(x509);
    free(one_line);
}

TEST(ca_files_and_texts_are_validated) {
    struct pem_case cases[PEM_CASES];
    char folder[] = "/tmp/arguments-XXXXXX";
    make_pem_cases(cases);
    REQUIRE(mkdtemp(folder) != NULL);
    for (size_t i = 0; i < PEM_CASES; i++) {
        check_case("%s", cases[i].name);
        char *path = write_text(folder, "ca.pem", cases[i].text);
        refold_options *by_file = test_options("https://example.com");
        refold_options *by_text = test_options("https://example.com");
        refold_options_set_ca_file(by_file, path);
        refold_options_set_ca_pem(by_text, cases[i].text, strlen(cases[i].text));
        if (cases[i].is_valid) {
            expect_client(by_file);
            expect_client(by_text);
        } else {
            expect_refusal(by_file, "ca file");
            expect_refusal(by_text, "ca pem|ca text");
        }
        unlink(path);
        free(path);
        free(cases[i].text);
    }
    rmdir(folder);
}

TEST(unreadable_ca_files_are_reported) {
    static const char *const paths[] = {"", "/no/such/file", "/tmp", "\xff", "/dev/null"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        refold_options *options = test_options("https://example.com");
        check_case("%s", paths[i]);
        refold_options_set_ca_file(options, paths[i]);
        expect_refusal(options, "ca file");
    }
}

/* A pipe without a writer: opening it for reading blocks. */
TEST(endless_ca_files_are_rejected_at_once) {
    char folder[] = "/tmp/arguments-XXXXXX";
    REQUIRE(mkdtemp(folder) != NULL);
    char *path = text_of("%s/pipe", folder);
    CHECK_INT(mkfifo(path, 0600), 0);
    check_limit(10);
    refold_options *options = test_options("https://example.com");
    refold_options_set_ca_file(options, path);
    expect_refusal(options, "ca file");
    const char *const endless[] = {path, "/dev/zero"};
    for (size_t i = 0; i < COUNT(endless); i++) {
        check_case("SSL_CERT_FILE %s", endless[i]);
        setenv("SSL_CERT_FILE", endless[i], 1);
        expect_refusal(test_options("https://example.com"), "ssl cert file");
    }
    unsetenv("SSL_CERT_FILE");
    unlink(path);
    rmdir(folder);
    free(path);
}

TEST(ca_text_has_the_given_length) {
    char *good = read_text(certificate_path("ca.pem"));
    refold_options *options = test_options("https://example.com");
    refold_options_set_ca_pem(options, good, strlen(good) / 2);
    expect_refusal(options, "ca pem|ca text");
    char *with_tail = text_of("%s" BEGIN_CERTIFICATE "!!!!\n" END_CERTIFICATE, good);
    options = test_options("https://example.com");
    refold_options_set_ca_pem(options, with_tail, strlen(good));
    expect_client(options);
    free(with_tail);
    free(good);
}

TEST(unusable_roots_in_the_environment_are_reported) {
    struct pem_case cases[PEM_CASES];
    char folder[] = "/tmp/arguments-XXXXXX";
    make_pem_cases(cases);
    REQUIRE(mkdtemp(folder) != NULL);
    for (size_t i = 0; i < PEM_CASES; i++) {
        check_case("%s", cases[i].name);
        char *path = write_text(folder, "roots.pem", cases[i].text);
        setenv("SSL_CERT_FILE", path, 1);
        if (cases[i].is_valid)
            expect_client(test_options("https://example.com"));
        else
            expect_refusal(test_options("https://example.com"), "ssl cert file");
        unlink(path);
        free(path);
        free(cases[i].text);
    }
    setenv("SSL_CERT_FILE", "/no/such/file", 1);
    expect_refusal(test_options("https://example.com"), "ssl cert file");
    static const char system_roots[] = "/etc/ssl/certs/ca-certificates.crt";
    check_case("%s", system_roots);
    setenv("SSL_CERT_FILE", system_roots, 1);
    if (access(system_roots, R_OK) == 0)
        expect_client(test_options("https://example.com"));
    unsetenv("SSL_CERT_FILE");
    check_case("an empty folder");
    setenv("SSL_CERT_DIR", folder, 1);
    expect_refusal(test_options("https://example.com"), "ssl cert dir");
    check_case("no folder");
    setenv("SSL_CERT_DIR", "/no/such/folder", 1);
    expect_refusal(test_options("https://example.com"), "ssl cert dir");
    unsetenv("SSL_CERT_DIR");
    rmdir(folder);
}

/* The environment ---------------------------------------------------------------------------------------- */

static void set_environment(const char *url, const char *key, const char *account, const char *token) {
    const char *const pairs[][2] = {{"REFOLD_BASE_URL", url},
                                    {"REFOLD_API_KEY", key},
                                    {"REFOLD_LINKED_ACCOUNT_ID", account},
                                    {"REFOLD_SESSION_TOKEN", token}};
    for (size_t i = 0; i < COUNT(pairs); i++)
        if (pairs[i][1] == NULL)
            unsetenv(pairs[i][0]);
        else
            setenv(pairs[i][0], pairs[i][1], 1);
}

TEST(environment_variables_equal_setters) {
    struct server *server = serve_body(COMPLETED);
    set_environment(server_url(server), "key", "account", NULL);
    refold_options *with_key = refold_options_new_from_env();
    set_environment(server_url(server), NULL, "", "token");
    refold_options *with_token = refold_options_new_from_env();
    set_environment("nonsense", "\n", NULL, "too late");
    refold_client *client = client_of(with_key);
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    client = client_of(with_token);
    CHECK_INT(get_code(client), REFOLD_OK);
    refold_client_free(client);
    CHECK_STR(head_value(server_head(server, 0), "x-api-key"), "key");
    CHECK_STR(head_value(server_head(server, 0), "linked_account_id"), "account");
    CHECK_STR(head_value(server_head(server, 1), "authorization"), "Bearer token");
    CHECK_INT(head_count(server_head(server, 1), "linked_account_id"), 0);
    set_environment(NULL, NULL, NULL, NULL);
    server_stop(server);
}

TEST(invalid_environment_values_are_reported) {
    static const struct {
        const char *url, *key, *account, *token, *mentioned;
    } cases[] = {
        {"nonsense", "k", "a", NULL, "base url"},         {NULL, "k\n", "a", NULL, "api key"},
        {NULL, "k", "a\n", NULL, "linked account id"},    {NULL, "k", NULL, NULL, "linked account id"},
        {NULL, NULL, NULL, "\xff", "session token"},      {NULL, "k", "a", "t", "session token"},
        {NULL, NULL, NULL, NULL, "api key|session token"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_case("%zu", i);
        set_environment(cases[i].url, cases[i].key, cases[i].account, cases[i].token);
        expect_refusal(refold_options_new_from_env(), cases[i].mentioned);
    }
    set_environment("nonsense", "k", "a", "t");
    refold_options *options = refold_options_new_from_env();
    refold_options_set_api_key(options, NULL, NULL);
    refold_options_set_base_url(options, NULL);
    set_environment(NULL, NULL, NULL, NULL);
    expect_client(options);
}

TEST(refold_options_new_ignores_the_environment) {
    set_environment("nonsense", "key", "account", "token");
    expect_refusal(refold_options_new(), "api key|session token");
    expect_client(test_options("https://example.com"));
    set_environment(NULL, NULL, NULL, NULL);
}
