# The CMake package of refold:
#
#     find_package(refold 0.1 CONFIG REQUIRED)
#     target_link_libraries(program PRIVATE refold::refold)          # the shared library
#     target_link_libraries(program PRIVATE refold::refold_static)   # or the static one, with its dependencies
#
# Each target is defined if its library is installed. No path is absolute, so the installation can be moved.

get_filename_component(_refold_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

function(_refold_add target type library private_libraries)
    if(NOT EXISTS "${library}" OR TARGET ${target})
        return()
    endif()
    add_library(${target} ${type} IMPORTED)
    set_target_properties(${target} PROPERTIES
        IMPORTED_LOCATION "${library}"
        INTERFACE_INCLUDE_DIRECTORIES "${_refold_prefix}/include"
        INTERFACE_LINK_LIBRARIES "${private_libraries}")
endfunction()

# Programs for Windows are linked to an import library, and load the DLL, which is in the folder of programs.
function(_refold_add_dll target folder)
    foreach(import IN ITEMS refold.lib refold.dll.lib librefold.dll.a)
        if(EXISTS "${folder}/${import}" AND NOT TARGET ${target})
            _refold_add(${target} SHARED "${_refold_prefix}/bin/refold.dll" "")
            if(TARGET ${target})
                set_target_properties(${target} PROPERTIES IMPORTED_IMPLIB "${folder}/${import}")
            endif()
        endif()
    endforeach()
endfunction()

# Reads the system libraries that the static library needs from refold.pc, which cargo-c generates.
function(_refold_private_libraries variable file)
    set(line "")
    if(EXISTS "${file}")
        file(STRINGS "${file}" line REGEX "^Libs\\.private:")
    endif()
    string(REGEX REPLACE "^Libs\\.private: *" "" line "${line}")
    separate_arguments(libraries UNIX_COMMAND "${line}")
    set(${variable} "${libraries}" PARENT_SCOPE)
endfunction()

foreach(_refold_folder IN ITEMS "lib/${CMAKE_LIBRARY_ARCHITECTURE}" lib64 lib)
    set(_refold_folder "${_refold_prefix}/${_refold_folder}")
    _refold_private_libraries(_refold_libraries "${_refold_folder}/pkgconfig/refold.pc")
    if(WIN32)
        _refold_add_dll(refold::refold "${_refold_folder}")
    else()
        _refold_add(refold::refold SHARED "${_refold_folder}/librefold${CMAKE_SHARED_LIBRARY_SUFFIX}" "")
    endif()
    _refold_add(refold::refold_static STATIC "${_refold_folder}/librefold.a" "${_refold_libraries}")
endforeach()

if(NOT TARGET refold::refold AND NOT TARGET refold::refold_static)
    set(refold_FOUND FALSE)
    set(refold_NOT_FOUND_MESSAGE "librefold was not found under ${_refold_prefix}")
endif()

unset(_refold_folder)
unset(_refold_libraries)
unset(_refold_prefix)
