# Packages, made by cpack: an archive that can be unpacked anywhere, or, if the prefix is /usr, Debian packages.
#
#     cmake -B build -DCMAKE_INSTALL_PREFIX=/usr && cmake --build build && cpack --config build/CPackConfig.cmake -B build
#
# With SOURCE_DATE_EPOCH in the environment, the same files give the same bytes.

set(CPACK_PACKAGE_NAME librefold)
set(CPACK_PACKAGE_VENDOR "the refold maintainers")
set(CPACK_PACKAGE_CONTACT "the refold maintainers <maintainers@refold.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_PRE_BUILD_SCRIPTS "${PROJECT_SOURCE_DIR}/include/cmake/finish_package.cmake")
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_THREADS 0)

# The platform in the name of an archive, such as x86_64-linux-gnu.
if(NOT CPACK_SYSTEM_NAME)
    if(CMAKE_LIBRARY_ARCHITECTURE)
        set(CPACK_SYSTEM_NAME "${CMAKE_LIBRARY_ARCHITECTURE}")
    elseif(MINGW)
        set(CPACK_SYSTEM_NAME "${CMAKE_SYSTEM_PROCESSOR}-windows-gnu")
    else()
        string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}-${CMAKE_SYSTEM_NAME}" CPACK_SYSTEM_NAME)
    endif()
endif()

if(NOT CPACK_GENERATOR)
    if(WIN32)
        set(CPACK_GENERATOR ZIP)
    elseif(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
        set(CPACK_GENERATOR DEB)
    else()
        set(CPACK_GENERATOR TGZ)
    endif()
endif()

set(refold_runtime_package librefold${PROJECT_VERSION_MAJOR})
set(refold_description
"Given the id of a workflow execution of Refold, librefold fetches the status
of the run and of each of its nodes, or waits for the run to finish and
reports progress.
.
")
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME ${refold_runtime_package})
set(CPACK_DEBIAN_RUNTIME_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA
    "${PROJECT_BINARY_DIR}/package/symbols" "${PROJECT_BINARY_DIR}/package/triggers")
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "workflow executions of Refold, shared library
${refold_description}This package contains the shared library.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME librefold-dev)
set(CPACK_DEBIAN_DEVELOPMENT_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${refold_runtime_package} (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "workflow executions of Refold, development files
${refold_description}This package contains the headers for C and C++, the static library, and
files for pkg-config and CMake.")

# The symbols that programs may depend on: the functions of the header.
file(STRINGS include/refold.h refold_lines REGEX "refold_[a-z0-9_]+\\(")
set(refold_symbols "")
foreach(refold_line IN LISTS refold_lines)
    if(refold_line MATCHES "^[a-z][^(]*[ *](refold_[a-z0-9_]+)\\(")
        list(APPEND refold_symbols " ${CMAKE_MATCH_1}@Base ${PROJECT_VERSION}")
    endif()
endforeach()
list(SORT refold_symbols)
list(JOIN refold_symbols "\n" refold_symbols)
file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/package/symbols" CONTENT
    "librefold.so.${PROJECT_VERSION_MAJOR} ${refold_runtime_package} #MINVER#\n${refold_symbols}\n")
file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/package/triggers" CONTENT "activate-noawait ldconfig\n")

include(CPack)
