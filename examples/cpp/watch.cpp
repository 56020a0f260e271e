// Follows an execution until it ends:
//     c++ -std=c++17 watch.cpp -lrefold -o watch && ./watch EXECUTION_ID [SECONDS]
// Ctrl-C stops watching. The exit status is 0 if the execution has completed, and 3 if it ended in another
// state.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <refold.hpp>

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

int watch(const char *id, std::chrono::seconds limit) {
    const refold::client client(refold::options::from_env()); // REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
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
    if (!std::cout.flush())
        return 1;
    return is_failure(execution.state()) ? 3 : 0;
}

} // namespace

int main(int argc, char **argv) try {
    std::signal(SIGINT, [](int) { cancel.trigger(); });
    return watch(argc > 1 ? argv[1] : nullptr, std::chrono::seconds(argc > 2 ? std::atoi(argv[2]) : 0));
} catch (const refold::error &error) {
    if (!std::cout)
        return 1;
    std::cerr << "watch: " << refold::printable(error.what()) << '\n';
    return error.code() == refold::code::cancelled ? 130 : 1;
}
