# Defines refold::refold and refold::refold_static, in the build folder and in an installation.

# refold_add_shared(SCOPE INCLUDE LOCATION SONAME IMPORT_LIBRARY): SCOPE is GLOBAL or empty. Programs for Windows are linked
# with the import library, others with the shared library itself.
function(refold_add_shared scope include location soname import)
    add_library(refold::refold SHARED IMPORTED ${scope})
    set_target_properties(refold::refold PROPERTIES
        IMPORTED_LOCATION "${location}"
        INTERFACE_INCLUDE_DIRECTORIES "${include}")
    if(WIN32)
        set_target_properties(refold::refold PROPERTIES IMPORTED_IMPLIB "${import}")
    else()
        set_target_properties(refold::refold PROPERTIES IMPORTED_SONAME "${soname}")
    endif()
endfunction()

# refold_add_static(SCOPE INCLUDE LOCATION LIBRARIES): LIBRARIES are those of the system that the static library needs.
function(refold_add_static scope include location libraries)
    add_library(refold::refold_static STATIC IMPORTED ${scope})
    set_target_properties(refold::refold_static PROPERTIES
        IMPORTED_LOCATION "${location}"
        INTERFACE_INCLUDE_DIRECTORIES "${include}"
        INTERFACE_LINK_LIBRARIES "${libraries}")
endfunction()
