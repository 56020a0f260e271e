// Shows one execution:  c++ -std=c++17 get.cpp -lrefold -o get && ./get EXECUTION_ID
#include <iostream>
#include <refold.hpp>

int main(int argc, char **argv) try {
    const refold::client client(refold::options::from_env()); // REFOLD_API_KEY, REFOLD_LINKED_ACCOUNT_ID
    const refold::execution execution = client.get(argc == 2 ? argv[1] : nullptr);
    std::cout << refold::printable(execution.name().value_or("-")) << ": "
              << refold::printable(execution.status()) << '\n';
    for (const refold::node node : execution.nodes())
        std::cout << "  " << refold::printable(node.name().value_or("-")) << ": "
                  << refold::printable(node.status().value_or("-")) << '\n';
    return std::cout.flush() ? 0 : 1;
} catch (const refold::error &error) {
    std::cerr << "get: " << refold::printable(error.what()) << '\n';
    return 1;
}
