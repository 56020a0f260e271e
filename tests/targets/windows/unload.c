/* Frees the library while its threads work: it stays loaded, and they finish. The program is not linked with
 * it. */
#include "support.h"

#include <refold.h>

/* Declares a pointer to a function of the library. */
#define FUNCTION(name) __typeof__(name) *const name##_ = (__typeof__(name) *)(uintptr_t)get(#name)

static HMODULE library;

static FARPROC get(const char *name) {
    FARPROC function = GetProcAddress(library, name);
    MUST(function != NULL);
    return function;
}

static bool is_loaded(void) { return GetModuleHandleW(L"refold.dll") != NULL; }

static void load(void) {
    library = LoadLibraryW(L"refold.dll");
    MUST(library != NULL);
}

static void test_without_threads(void) {
    load();
    FUNCTION(refold_options_new);
    FUNCTION(refold_options_free);
    refold_options_free_(refold_options_new_());
    FreeLibrary(library);
    check(!is_loaded(), "the library is unloaded if it has started no thread");
}

static void test_with_threads(void) {
    struct server silent;
    server_start(&silent, NULL, 0);
    load();
    FUNCTION(refold_options_new);
    FUNCTION(refold_options_set_base_url);
    FUNCTION(refold_options_set_api_key);
    FUNCTION(refold_options_free);
    FUNCTION(refold_client_new);
    FUNCTION(refold_client_free);
    FUNCTION(refold_cancel_new);
    FUNCTION(refold_cancel_trigger);
    FUNCTION(refold_cancel_free);
    FUNCTION(refold_queue_new);
    FUNCTION(refold_queue_get_execution);
    FUNCTION(refold_queue_next);
    FUNCTION(refold_queue_free);
    FUNCTION(refold_event_error);
    FUNCTION(refold_event_free);
    FUNCTION(refold_error_code);
    refold_options *options = refold_options_new_();
    refold_options_set_base_url_(options, silent.url);
    refold_options_set_api_key_(options, "tk_test", "user_1");
    refold_client *client = refold_client_new_(options, NULL);
    refold_cancel *cancel = refold_cancel_new_();
    refold_queue *queue = refold_queue_new_(2, NULL);
    MUST(client != NULL && queue != NULL);
    refold_options_free_(options);
    for (int i = 0; i < 3; i++)
        MUST(refold_queue_get_execution_(queue, client, "1", cancel, NULL, NULL));
    MUST(WaitForSingleObject(silent.received, 10000) == WAIT_OBJECT_0);

    FreeLibrary(library);
    check(is_loaded(), "the library stays loaded once it has started a thread");
    if (!is_loaded())
        return;
    refold_cancel_trigger_(cancel);
    for (int i = 1; i <= 3; i++) {
        refold_event *event = refold_queue_next_(queue, 10000);
        check(refold_error_code_(refold_event_error_(event)) == REFOLD_ERROR_CANCELLED,
              "get %d ends after the library was freed", i);
        refold_event_free_(event);
    }
    refold_cancel_free_(cancel);
    refold_queue_free_(queue);
    refold_client_free_(client);
    server_stop(&silent);
}

int main(void) {
    test_without_threads();
    test_with_threads();
    return sum_up();
}
