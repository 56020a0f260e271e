// Shows one execution:  c++ -std=c++17 get.cpp -lrefold -o get && ./get [--verbose] EXECUTION_ID
#include <iostream>
#include <refold.hpp>

int main(int argc, char **argv) try {
    const bool is_verbose = argc > 1 && std::string_view(argv[1]) == "--verbose";
    const int id = is_verbose ? 2 : 1;
    refold::options options = refold::options::from_env(); // REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
    if (is_verbose)
        options.set_log(refold::log_level::debug, [](refold::log_level, std::string_view line) {
            std::cerr << std::string(line) + '\n';
        });
    const refold::client client(options);
    const refold::execution execution = client.get(argc == id + 1 ? argv[id] : nullptr);
    std::cout << refold::printable(execution.name().value_or("-")) << ": "
              << refold::printable(execution.status()) << '\n';
    for (const refold::node node : execution.nodes())
        std::cout << "  " << refold::printable(node.name().value_or("-")) << ": "
                  << refold::printable(node.status().value_or("-")) << '\n';
    if (const auto total = execution.timings().total)
        std::cout << "took " << total->count() / 1000 << " ms; attempts: " << execution.attempts()
                  << "; request id: " << refold::printable(execution.request_id().value_or("-")) << '\n';
    return std::cout.flush() ? 0 : 1;
} catch (const refold::error &error) {
    std::cerr << "get: " << refold::printable(error.what()) << '\n';
    return 1;
}
