# Installs the libraries, the headers, refold.pc, the CMake package and the licence. What programs need when they run is the
# component `runtime`, what they need to be compiled `development`.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(refold_package "${CMAKE_INSTALL_LIBDIR}/cmake/refold")

get_filename_component(refold_file "${refold_shared}" NAME)
if(WIN32)
    set(refold_shared_location "${CMAKE_INSTALL_BINDIR}/${refold_file}")
else()
    set(refold_shared_location "${CMAKE_INSTALL_LIBDIR}/${refold_file}")
endif()
get_filename_component(refold_shared_folder "${refold_shared_location}" DIRECTORY)
if(refold_has_shared)
    install(FILES "${refold_location}" DESTINATION "${refold_shared_folder}" COMPONENT runtime)
    set(refold_component runtime)
    foreach(refold_link IN LISTS refold_links)
        install(FILES "${PROJECT_BINARY_DIR}/lib/${refold_link}"
            DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT ${refold_component})
        set(refold_component development) # the first link is for the loader, the second for the linker
    endforeach()
    if(refold_import)
        install(FILES "${PROJECT_BINARY_DIR}/lib/${refold_import}"
            DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development)
    endif()
endif()
if(refold_has_archive)
    install(FILES "${PROJECT_BINARY_DIR}/lib/${refold_archive}" DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development)
endif()
install(FILES "${PROJECT_SOURCE_DIR}/include/refold.h" "${PROJECT_SOURCE_DIR}/include/refold.hpp"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT development)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT runtime)

configure_package_config_file("${PROJECT_SOURCE_DIR}/include/cmake/refoldConfig.cmake.in"
    "${PROJECT_BINARY_DIR}/package/refoldConfig.cmake"
    INSTALL_DESTINATION "${refold_package}"
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR refold_shared_location
    NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/refoldConfigVersion.cmake" COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/package/refoldConfig.cmake" "${PROJECT_BINARY_DIR}/package/refoldConfigVersion.cmake"
    "${PROJECT_SOURCE_DIR}/include/cmake/refoldTargets.cmake"
    DESTINATION "${refold_package}" COMPONENT development)

# The prefix is known only when the files are installed. pkg-config splits flags at spaces, unless they are escaped.
string(REPLACE ";" " " refold_private_flags "${refold_private}")
set(refold_prefix "@refold_prefix@")
configure_file("${PROJECT_SOURCE_DIR}/include/cmake/refold.pc.in" "${PROJECT_BINARY_DIR}/package/refold.pc.in" @ONLY)
install(CODE "
    string(REPLACE \" \" \"\\\\ \" refold_prefix \"\${CMAKE_INSTALL_PREFIX}\")
    configure_file(\"${PROJECT_BINARY_DIR}/package/refold.pc.in\" \"${PROJECT_BINARY_DIR}/package/refold.pc\" @ONLY)
    file(INSTALL \"${PROJECT_BINARY_DIR}/package/refold.pc\"
        DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig\")"
    COMPONENT development)
