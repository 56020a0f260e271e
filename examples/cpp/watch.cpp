// Follows an execution until it ends:
//     c++ -std=c++17 watch.cpp -lrefold -o watch && ./watch [--verbose] EXECUTION_ID [SECONDS]
// Reports retries on standard error; with --verbose, the whole log. Ctrl-C stops watching. The exit status is
// 0 if the execution has completed, and 3 if it ended in another state.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <refold.hpp>

using namespace std::chrono_literals;

namespace {

const refold::cancel_token cancel;

// Returns whether the output was written: without a reader, there is nothing to wait for.
bool show(const refold::execution &execution) {
    std::size_t ended = 0;
    for (const refold::node node : execution.nodes())
        ended += is_final(node.state());
    std::cout << std::setprecision(15); // six digits would round 99.99999 to 100
    std::cout << refold::printable(execution.status()) << ", "
              << execution.completion_percentage().value_or(0) << " %, " << ended << " of "
              << execution.nodes().size() << " nodes have ended" << std::endl;
    return std::cout.good();
}

// Writes a line of the log.
void log_line(refold::log_level, std::string_view line) { std::cerr << std::string(line) + '\n'; }

// Writes "took 412 ms: lookup 12, connect 20, ...", without the parts that the call did not go through.
void write_times(std::ostream &out, const refold::timings &times) {
    using part = std::pair<const char *, std::optional<std::chrono::microseconds>>;
    out << "took " << times.total.value_or(0us).count() / 1000 << " ms";
    const char *separator = ": ";
    for (const auto &[name, time] :
         {part("lookup", times.resolve), part("connect", times.connect), part("TLS", times.tls),
          part("first byte", times.first_byte), part("transfer", times.transfer)})
        if (time)
            out << std::exchange(separator, ", ") << name << ' ' << time->count() / 1000;
}

int watch(const char *id, std::chrono::seconds limit, bool is_verbose) {
    refold::options options = refold::options::from_env(); // REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
    if (is_verbose)
        options.set_log(refold::log_level::debug, log_line);
    else if (const char *level = std::getenv("REFOLD_LOG"); level == nullptr || *level == '\0')
        options.set_log(refold::log_level::warn, log_line);
    const refold::client client(options);
    const refold::execution execution = client.wait(id, limit, show, &cancel);
    for (const refold::node node : execution.nodes()) {
        std::cout << refold::printable(node.name().value_or("-")) << ": "
                  << refold::printable(node.status().value_or("-"));
        if (const auto time = node.execution_time())
            std::cout << ", " << time->count() << " ms";
        if (const refold::json output = node.latest_output(); is_failure(node.state()) && output.exists())
            std::cout << ", " << refold::printable(output.raw());
        std::cout << '\n';
    }
    std::cout << "The last poll ";
    write_times(std::cout, execution.timings());
    std::cout << "; attempts: " << execution.attempts()
              << "; request id: " << refold::printable(execution.request_id().value_or("-")) << '\n';
    if (!std::cout.flush())
        return 1;
    return is_failure(execution.state()) ? 3 : 0;
}

} // namespace

int main(int argc, char **argv) try {
    std::signal(SIGINT, [](int) { cancel.trigger(); });
    const bool is_verbose = argc > 1 && std::string_view(argv[1]) == "--verbose";
    const int id = is_verbose ? 2 : 1;
    const std::chrono::seconds limit(argc > id + 1 ? std::atoi(argv[id + 1]) : 0);
    return watch(argc > id ? argv[id] : nullptr, limit, is_verbose);
} catch (const refold::error &error) {
    if (!std::cout)
        return 1;
    std::cerr << "watch: " << refold::printable(error.what());
    if (error.timings().total) { // something was sent
        std::cerr << "; ";
        write_times(std::cerr, error.timings());
        std::cerr << "; attempts: " << error.attempts();
    }
    std::cerr << '\n';
    return error.code() == refold::code::cancelled ? 130 : 1;
}
