"""The Conan package of librefold, built by CMakeLists.txt: the shared library, or with `-o refold/*:shared=False` the static one."""

import re
from pathlib import Path

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import load, rm, rmdir

required_conan_version = ">=2.0"


class Refold(ConanFile):
    name = "refold"
    description = "C library that gets one workflow execution of Refold, with the detail of every node"
    license = "MIT OR Apache-2.0"
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": True}
    # Cargo.toml lists an example and a benchmark, so cargo requires that they exist.
    exports_sources = ("CMakeLists.txt", "Cargo.toml", "Cargo.lock", "build.rs", "cbindgen.toml", "LICENSE", "include/*",
                       "src/*", "examples/sandbox/*", "benches/*.rs")
    test_package_folder = "tests/conan"

    def set_version(self):
        self.version = re.search(r'^version = "(.*)"$', load(self, Path(self.recipe_folder, "Cargo.toml")), re.MULTILINE)[1]

    def layout(self):
        cmake_layout(self)

    def configure(self):
        self.settings.rm_safe("compiler.libcxx")
        self.settings.rm_safe("compiler.cppstd")

    def package_id(self):
        del self.info.settings.compiler  # the interface is C, and cargo builds a release in any case
        del self.info.settings.build_type

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.user_presets_path = False
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        folder = Path(self.package_folder)
        if self.options.shared:
            unwanted = ["librefold.a", "refold.lib"]
        else:
            unwanted = ["librefold.so*", "librefold*.dylib", "refold.dll", "librefold.dll.a", "refold.dll.lib"]
        for pattern in unwanted:
            rm(self, pattern, folder, recursive=True)
        rmdir(self, folder / "lib" / "cmake")  # CMakeDeps writes one for each program

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "refold")
        self.cpp_info.set_property("pkg_config_name", "refold")
        self.cpp_info.libs = ["refold"]
        if self.options.shared:
            self.cpp_info.set_property("cmake_target_name", "refold::refold")
        else:
            self.cpp_info.set_property("cmake_target_name", "refold::refold_static")
            self.cpp_info.set_property("cmake_target_aliases", ["refold::refold"])
            text = load(self, Path(self.package_folder, "lib", "pkgconfig", "refold.pc"))
            libraries = re.search(r"^Libs.private: (.*)$", text, re.MULTILINE)[1]
            self.cpp_info.system_libs = re.findall(r"-l(\S+)", libraries)
            self.cpp_info.frameworks = re.findall(r"-framework (\S+)", libraries)
