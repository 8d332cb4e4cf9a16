# The library straight from Cargo's target folder, for the tests and examples of this repository:
#     set(STARGATE_LIB_DIR ".../target/release"), include this file, link with stargate::stargate.
# Programs remember the library by its SONAME, which Cargo gives no file; so that name is made here, as a link.
get_filename_component(_stargate_root "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
set(_stargate_so "${STARGATE_LIB_DIR}/libstargate.so")
if(NOT EXISTS "${_stargate_so}")
  message(FATAL_ERROR "${_stargate_so} does not exist: build it with `cargo build -p stargate-ffi`, "
                      "and say in which folder it is with -DSTARGATE_LIB_DIR=FOLDER")
endif()
file(STRINGS "${_stargate_root}/Cargo.toml" _stargate_version REGEX "^version = " LIMIT_COUNT 1)
string(REGEX REPLACE "^version = \"([0-9]+)\\.([0-9]+)\\..*$" "\\1;\\2" _stargate_version "${_stargate_version}")
list(GET _stargate_version 0 _stargate_abi)
if(_stargate_abi EQUAL 0)
  list(GET _stargate_version 1 _stargate_minor)
  string(APPEND _stargate_abi ".${_stargate_minor}")
endif()
set(_stargate_links "${CMAKE_BINARY_DIR}/stargate")
file(MAKE_DIRECTORY "${_stargate_links}")
file(CREATE_LINK "${_stargate_so}" "${_stargate_links}/libstargate.so.${_stargate_abi}" SYMBOLIC)

add_library(stargate::stargate SHARED IMPORTED)
set_target_properties(stargate::stargate PROPERTIES
  IMPORTED_LOCATION "${_stargate_links}/libstargate.so.${_stargate_abi}"
  INTERFACE_INCLUDE_DIRECTORIES "${_stargate_root}/include")
