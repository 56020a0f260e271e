# Builds the libraries with cargo, which decides what is out of date: sets refold_source, the folder that they are in, and
# refold_cargo, the target that builds them.

find_program(REFOLD_CARGO cargo HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin")
if(NOT REFOLD_CARGO)
    message(FATAL_ERROR "Rust is missing: please install it, see https://rustup.rs, or set REFOLD_LIBRARY_DIR to a folder with "
        "prebuilt libraries")
endif()
if(CMAKE_CROSSCOMPILING AND NOT REFOLD_CARGO_TARGET)
    message(FATAL_ERROR "Please set REFOLD_CARGO_TARGET to cargo's name of the target, such as x86_64-pc-windows-gnu")
endif()

get_filename_component(refold_target_dir "${REFOLD_CARGO_TARGET_DIR}" ABSOLUTE BASE_DIR "${CMAKE_BINARY_DIR}")
set(refold_source "${refold_target_dir}/release")
set(refold_arguments rustc --release --locked --lib --crate-type cdylib,staticlib --target-dir "${refold_target_dir}")
set(refold_environment --unset=CARGO_BUILD_TARGET)
if(REFOLD_CARGO_TARGET)
    set(refold_source "${refold_target_dir}/${REFOLD_CARGO_TARGET}/release")
    list(APPEND refold_arguments --target "${REFOLD_CARGO_TARGET}")
    # The C compiler compiles the C sources of dependencies, and links the shared library.
    string(REPLACE "-" "_" refold_name "${REFOLD_CARGO_TARGET}")
    string(TOUPPER "CARGO_TARGET_${refold_name}_LINKER" refold_linker)
    foreach(refold_variable IN ITEMS "CC_${refold_name}" "${refold_linker}")
        if(CMAKE_CROSSCOMPILING AND NOT DEFINED ENV{${refold_variable}})
            list(APPEND refold_environment "${refold_variable}=${CMAKE_C_COMPILER}")
        endif()
    endforeach()
endif()

# Keeps the paths of the sources of dependencies out of the library. Cargo cannot do so by itself: trim-paths is not stable.
set(refold_home "$ENV{HOME}/.cargo")
if(DEFINED ENV{CARGO_HOME})
    set(refold_home "$ENV{CARGO_HOME}")
endif()
set(refold_remap "--remap-path-prefix=${refold_home}/registry/src=cargo")
if("$ENV{RUSTFLAGS}" STREQUAL "")
    list(APPEND refold_arguments --config "build.rustflags=['${refold_remap}']")
else()
    list(APPEND refold_environment "RUSTFLAGS=$ENV{RUSTFLAGS} ${refold_remap}")
endif()

set(refold_cargo refold_cargo)
set(refold_byproducts "")
foreach(refold_name IN ITEMS "${refold_built}" "${refold_archive}" "${refold_import}")
    if(refold_name)
        list(APPEND refold_byproducts "${refold_source}/${refold_name}")
    endif()
endforeach()
separate_arguments(refold_flags NATIVE_COMMAND "${REFOLD_CARGO_FLAGS}")
add_custom_target(refold_cargo
    COMMAND "${CMAKE_COMMAND}" -E env ${refold_environment} "${REFOLD_CARGO}" ${refold_arguments} ${refold_flags}
    BYPRODUCTS ${refold_byproducts}
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    COMMENT "Building librefold"
    USES_TERMINAL VERBATIM)
