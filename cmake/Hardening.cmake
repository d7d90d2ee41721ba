# Compiler and linker flags of every target. Sources: OpenSSF Compiler Options Hardening Guide; each flag is one that
# clang-19 on Debian 12 accepts. A required flag that is refused fails the configuration, it is never dropped.
set(CLAWQL_SANITIZE "" CACHE STRING "address | thread | empty")
option(CLAWQL_FUZZ "Build the fuzz targets (wants CLAWQL_SANITIZE=address)" OFF)

add_library(clawql_flags INTERFACE)
target_compile_options(clawql_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wswitch-enum -Wformat=2 -Wimplicit-fallthrough -Werror
  -Werror=format-security -Wno-missing-designated-field-initializers
  -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
  -fno-delete-null-pointer-checks -fno-strict-overflow -ftrivial-auto-var-init=zero
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -fno-omit-frame-pointer)
target_compile_definitions(clawql_flags INTERFACE _GLIBCXX_ASSERTIONS CLAWQL_VERSION="${PROJECT_VERSION}")
target_link_options(clawql_flags INTERFACE
  -fuse-ld=lld-19 -Wl,-z,relro,-z,now,-z,noexecstack,-z,nodlopen,-z,separate-code
  -Wl,--as-needed -Wl,--build-id=sha1)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(CLAWQL_SANITIZE STREQUAL "address")
  target_compile_options(clawql_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined)
  target_link_options(clawql_flags INTERFACE -fsanitize=address,undefined)
  target_compile_definitions(clawql_flags INTERFACE CLAWQL_SANITIZED=1)
  if(CLAWQL_FUZZ)
    target_compile_options(clawql_flags INTERFACE -fsanitize=fuzzer-no-link)
  endif()
elseif(CLAWQL_SANITIZE STREQUAL "thread")
  target_compile_options(clawql_flags INTERFACE -fsanitize=thread)
  target_link_options(clawql_flags INTERFACE -fsanitize=thread)
  target_compile_definitions(clawql_flags INTERFACE CLAWQL_SANITIZED=1)
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  # FORTIFY needs optimisation, and is an error at -O0.
  target_compile_options(clawql_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()

# Shipped programs are optimised as a whole (ThinLTO). Objects hold both forms, so that tests link in a moment as ever
# and GNU ar still reads them.
option(CLAWQL_LTO "Link the programs with ThinLTO" OFF)
add_library(clawql_whole_program INTERFACE)
if(CLAWQL_LTO)
  target_compile_options(clawql_flags INTERFACE -flto=thin -ffat-lto-objects)
  # What did not change is not compiled again at the next link.
  target_link_options(clawql_whole_program INTERFACE -Wl,--fat-lto-objects
    -Wl,--thinlto-cache-dir=${CMAKE_BINARY_DIR}/thinlto -Wl,--thinlto-cache-policy=cache_size_bytes=256m)
endif()

include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_FLAGS "-std=c++23")
check_cxx_source_compiles("#include <expected>\nint main() { std::expected<int, int> e = 1; return *e - 1; }" CLAWQL_HAS_EXPECTED)
unset(CMAKE_REQUIRED_FLAGS)
if(NOT CLAWQL_HAS_EXPECTED)
  message(FATAL_ERROR "std::expected is not usable: libstdc++-12-dev and clang-19 are needed")
endif()
