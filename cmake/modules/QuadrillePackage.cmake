# The Python package as it is imported and installed: one folder, quadrille/, with the Python files, the extension
# _core, the library libquadrille.so and the helper program quadrille-compiler, which find each other by $ORIGIN.
# In the build tree that folder is <build>/python/quadrille (python/CMakeLists.txt links the Python files there).
#
# quadrille-package builds all of it; `cmake --install <build> --component python` installs what is compiled.
add_custom_target(quadrille-package)
foreach(part IN ITEMS quadrille_core quadrille quadrille-compiler)
  if(TARGET ${part})
    add_dependencies(quadrille-package ${part})
    set_target_properties(${part} PROPERTIES
      LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/python/quadrille"
      RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/python/quadrille"
      BUILD_RPATH_USE_ORIGIN ON
      INSTALL_RPATH "$ORIGIN")
    install(TARGETS ${part}
      LIBRARY DESTINATION quadrille COMPONENT python
      RUNTIME DESTINATION quadrille COMPONENT python)
    if(QUADRILLE_STATIC_LLVM)
      # No library but the C library's: not even another libstdc++ can be seen from here, or see this one.
      target_link_options(${part} PRIVATE
        -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL -Wl,--gc-sections)
    else()
      # `pip install .` uses this machine's LLVM, whose folder the loader may not search.
      set_target_properties(${part} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
    endif()
  endif()
endforeach()
