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
set(MLIR_BINARY_DIR ${PROJECT_BINARY_DIR}) # add_mlir_doc writes to its docs/

include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
separate_arguments(definitions UNIX_COMMAND "${LLVM_DEFINITIONS}")
add_definitions(${definitions})
# LLVM's own convention. (A class of ours that derives from LLVM's needs the type information of its base
# if it is compiled with RTTI, and upstream's default builds have none.)
set(QUADRILLE_MLIR_OPTIONS -fno-rtti -fno-exceptions)
set(QUADRILLE_LLVM_PREFIX "${LLVM_TOOLS_BINARY_DIR}/..")

# lld: fast links while developing, and the only linker that takes archives in any order for a wheel.
find_program(QUADRILLE_LD_LLD NAMES ld.lld HINTS "${LLVM_TOOLS_BINARY_DIR}")
if(QUADRILLE_LD_LLD)
  cmake_path(GET QUADRILLE_LD_LLD PARENT_PATH lld_dir)
  add_link_options(-fuse-ld=lld "-B${lld_dir}")
endif()

# lld as a library links AMD's code objects. Its archives are named directly, as LLVM's are below. It initialises
# every back end, so with LLVM inside, those that are not ours get empty initialisers (UnusedTargets.cpp).
find_library(QUADRILLE_LLD_ELF NAMES liblldELF.a HINTS "${LLVM_LIBRARY_DIR}" REQUIRED)
find_library(QUADRILLE_LLD_COMMON NAMES liblldCommon.a HINTS "${LLVM_LIBRARY_DIR}" REQUIRED)
set(QUADRILLE_UNUSED_TARGETS ${LLVM_ALL_TARGETS} ${LLVM_TARGETS_TO_BUILD})
list(REMOVE_DUPLICATES QUADRILLE_UNUSED_TARGETS)
list(REMOVE_ITEM QUADRILLE_UNUSED_TARGETS ${LLVM_NATIVE_ARCH} NVPTX AMDGPU)

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

# Links the static archives of LLVM and MLIR into a shared library or a program and hides them.
#
# The exported targets cannot be linked as they are: their interfaces name the shared LLVM (and one of them the
# shared MLIR), which would bring a second copy. So this names the archive files themselves, all of them: the
# linker takes the members that are referred to, whatever their order. Code of ours must therefore initialise
# the back ends it wants by name (LLVMInitializeX86Target, ..): InitializeAllTargets refers to all twenty.
function(quadrille_link_mlir_static target)
  get_property(mlir_archives GLOBAL PROPERTY MLIR_ALL_LIBS)
  set(archives)
  foreach(lib IN LISTS mlir_archives LLVM_AVAILABLE_LIBS)
    if(TARGET ${lib})
      get_target_property(type ${lib} TYPE)
      if(type STREQUAL "STATIC_LIBRARY")
        list(APPEND archives "$<TARGET_FILE:${lib}>")
      endif()
    endif()
  endforeach()
  # What LLVMSupport compresses with; static too, so that a wheel needs the C library only.
  find_library(QUADRILLE_ZLIB NAMES libz.a REQUIRED)
  find_library(QUADRILLE_ZSTD NAMES libzstd.a REQUIRED)
  target_link_libraries(${target} PRIVATE QuadrilleUnusedTargets ${archives} ${QUADRILLE_ZLIB} ${QUADRILLE_ZSTD} ${CMAKE_DL_LIBS})
  target_link_options(${target} PRIVATE
    -Wl,--exclude-libs,ALL -Wl,--gc-sections -Wl,-O2 -Wl,-z,pack-relative-relocs -Wl,--no-undefined)
endfunction()

# Links a final binary (tool, libquadrille, unit test) with MLIR and LLVM.
function(quadrille_link_mlir target)
  target_compile_options(${target} PRIVATE ${QUADRILLE_MLIR_OPTIONS})
  if(QUADRILLE_STATIC_LLVM)
    quadrille_link_mlir_static(${target})
  else()
    target_link_libraries(${target} PRIVATE MLIR LLVM z zstd) # the latter two for lld
  endif()
endfunction()
