"""lit configuration of the FileCheck tests (test/**/*.mlir, *.test).

Tools come from the build tree (quad-opt, quad-translate) and from LLVM
(FileCheck, not, split-file, llvm-mc, ...). Features a test may ask for:

  REQUIRES: ptxas         NVIDIA's assembler is on this machine (%ptxas)
  REQUIRES: host-x86_64   the host CPU is an x86-64
  REQUIRES: host-avx2     the host CPU can run AVX2 code
  REQUIRES: host-avx512   the host CPU can run AVX-512 F/BW/VL code
"""

import os
import pathlib
import platform

import lit.formats

config.name = "QUADRILLE"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "unit", "python", "gpu"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.quadrille_test_dir

config.environment["PATH"] = os.pathsep.join(
    [config.quadrille_tools_dir, config.llvm_tools_dir, config.environment["PATH"]]
)
config.environment["FILECHECK_OPTS"] = "--dump-input-filter=all"

config.substitutions.append(("%quadrille_src", config.quadrille_source_dir))
config.substitutions.append(("%python", config.python))
config.substitutions.append(("%quadrille-compiler", config.quadrille_compiler))


def cpu_flags():
    """The feature names the kernel reports for this machine's first CPU."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return set()
    for line in cpuinfo.read_text().splitlines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()


if platform.machine() == "x86_64":
    config.available_features.add("host-x86_64")
    flags = cpu_flags()
    if "avx2" in flags:
        config.available_features.add("host-avx2")
    if {"avx512f", "avx512bw", "avx512vl"} <= flags:
        config.available_features.add("host-avx512")

if os.path.exists(config.ptxas):
    config.available_features.add("ptxas")
    config.substitutions.append(("%ptxas", config.ptxas))
