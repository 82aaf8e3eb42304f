# Finds LLVM and MLIR 22 and sets up table generation and compile flags.
if(EXISTS /usr/lib/llvm-22)
  list(APPEND CMAKE_PREFIX_PATH /usr/lib/llvm-22)
endif()
find_package(MLIR REQUIRED CONFIG)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "Quadrille needs LLVM 22, found ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}")
endif()
message(STATUS "MLIR ${LLVM_PACKAGE_VERSION} in ${MLIR_DIR}")

list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)

include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
separate_arguments(definitions UNIX_COMMAND "${LLVM_DEFINITIONS}")
add_definitions(${definitions})
# LLVM is built without RTTI; only what derives from its classes must match it.
set(QUADRILLE_MLIR_OPTIONS -fno-rtti -fno-exceptions)
set(QUADRILLE_LLVM_PREFIX "${LLVM_TOOLS_BINARY_DIR}/..")

# Fast links while developing.
find_program(QUADRILLE_LLD NAMES ld.lld-22 ld.lld HINTS "${LLVM_TOOLS_BINARY_DIR}")
if(QUADRILLE_LLD)
  add_link_options(--ld-path=${QUADRILLE_LLD})
endif()

# quadrille_mlir_library(Name sources... [DEPENDS generated-target...] [LINK_LIBS lib...])
# A static library of ours that uses MLIR. The final link (libquadrille, tools)
# brings in LLVM and MLIR once, through quadrille_link_mlir.
function(quadrille_mlir_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK_LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_compile_options(${name} PRIVATE ${QUADRILLE_MLIR_OPTIONS})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK_LIBS})
endfunction()

# Links a final binary (tool, libquadrille, unit test) with MLIR and LLVM.
function(quadrille_link_mlir target)
  target_compile_options(${target} PRIVATE ${QUADRILLE_MLIR_OPTIONS})
  if(QUADRILLE_STATIC_LLVM)
    quadrille_link_mlir_static(${target})
  else()
    target_link_libraries(${target} PRIVATE MLIR LLVM)
  endif()
endfunction()
