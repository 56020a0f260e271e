# Reports the installed version to find_package(): that of the header. Versions with the same major number are compatible.

set(PACKAGE_VERSION "")
set(_refold_header "${CMAKE_CURRENT_LIST_DIR}/../../../include/refold.h")
if(EXISTS "${_refold_header}")
    file(STRINGS "${_refold_header}" PACKAGE_VERSION REGEX "^#define REFOLD_VERSION \"")
    string(REGEX REPLACE "^[^\"]*\"([^\"]*)\".*$" "\\1" PACKAGE_VERSION "${PACKAGE_VERSION}")
endif()
unset(_refold_header)

string(REGEX MATCH "^[0-9]*" _refold_major "${PACKAGE_VERSION}")
set(PACKAGE_VERSION_COMPATIBLE FALSE)
if(PACKAGE_FIND_VERSION_RANGE)
    if(PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION_MIN
            AND (PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION_MAX
                OR (PACKAGE_FIND_VERSION_RANGE_MAX STREQUAL "INCLUDE"
                    AND PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION_MAX)))
        set(PACKAGE_VERSION_COMPATIBLE TRUE)
    endif()
elseif(PACKAGE_VERSION AND PACKAGE_VERSION VERSION_GREATER_EQUAL "${PACKAGE_FIND_VERSION}")
    if(NOT PACKAGE_FIND_VERSION OR PACKAGE_FIND_VERSION_MAJOR STREQUAL _refold_major)
        set(PACKAGE_VERSION_COMPATIBLE TRUE)
    endif()
    if(PACKAGE_VERSION VERSION_EQUAL "${PACKAGE_FIND_VERSION}")
        set(PACKAGE_VERSION_EXACT TRUE)
    endif()
endif()
unset(_refold_major)
