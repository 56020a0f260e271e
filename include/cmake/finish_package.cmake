# cpack runs this before it makes packages of the installed files.

# Archives can be unpacked anywhere, so refold.pc finds its prefix relative to itself. Debian packages have a prefix.
file(GLOB_RECURSE pkgconfig_files "${CPACK_TEMPORARY_DIRECTORY}/*/refold.pc")
foreach(file IN LISTS pkgconfig_files)
    set(prefix /usr)
    if(NOT CPACK_GENERATOR STREQUAL "DEB")
        get_filename_component(folder "${file}" DIRECTORY)
        file(RELATIVE_PATH prefix "${folder}" "${CPACK_TEMPORARY_DIRECTORY}")
        string(REGEX REPLACE "/$" "" prefix "\${pcfiledir}/${prefix}")
    endif()
    file(READ "${file}" text)
    string(REGEX REPLACE "^prefix=[^\n]*" "prefix=${prefix}" text "${text}")
    file(WRITE "${file}" "${text}")
endforeach()

# Debian wants licence and changelog in a folder with the name of the package, and the Apache License not repeated.
if(CPACK_GENERATOR STREQUAL "DEB")
    file(READ "${CPACK_RESOURCE_FILE_LICENSE}" licence)
    string(REPEAT "=" 80 line)
    string(FIND "${licence}" "${line}" apache REVERSE)
    string(SUBSTRING "${licence}" 0 ${apache} licence)
    string(APPEND licence "${line}\n\nApache License, Version 2.0: see /usr/share/common-licenses/Apache-2.0\n")
    string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
    foreach(component IN ITEMS runtime development)
        string(TOUPPER "CPACK_DEBIAN_${component}_PACKAGE_NAME" package)
        set(documents "${CPACK_TEMPORARY_DIRECTORY}/${component}/usr/share/doc")
        file(REMOVE_RECURSE "${documents}")
        set(documents "${documents}/${${package}}")
        file(MAKE_DIRECTORY "${documents}")
        file(WRITE "${documents}/copyright" "${licence}")
        file(WRITE "${documents}/changelog" "${CPACK_PACKAGE_NAME} (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium

  * Release ${CPACK_PACKAGE_VERSION}.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
        execute_process(COMMAND gzip -9n "${documents}/changelog" RESULT_VARIABLE status)
        if(NOT status EQUAL 0)
            message(FATAL_ERROR "gzip failed: ${status}")
        endif()
        execute_process(COMMAND find "${CPACK_TEMPORARY_DIRECTORY}/${component}" -type d -exec chmod 755 {} +)
        execute_process(COMMAND find "${CPACK_TEMPORARY_DIRECTORY}/${component}" -type f -exec chmod 644 {} +)
    endforeach()
endif()

if(DEFINED ENV{SOURCE_DATE_EPOCH})
    execute_process(COMMAND find "${CPACK_TEMPORARY_DIRECTORY}" -exec touch -h -d "@$ENV{SOURCE_DATE_EPOCH}" {} +
        RESULT_VARIABLE status)
    if(NOT status EQUAL 0)
        message(FATAL_ERROR "touch failed: ${status}")
    endif()
endif()
