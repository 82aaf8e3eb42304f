//===- FakeHIP.cpp - A HIP driver that only pretends ----------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions of libamdhip64 that the runtime uses, for tests on machines without
// a GPU (QUADRILLE_LIBHIP names this library). Device memory is host memory, and a
// launch of a code object's kernel is written down. fakeHip* are for the tests.
//
//===----------------------------------------------------------------------===//
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

struct Function {
  std::string name;
  uint32_t argumentBytes; ///< of the kernel's descriptor
};
struct Module {
  std::map<std::string, Function> functions;
};

/// All that the tests may look at or order; one lock for everything.
struct State {
  std::recursive_mutex mutex;
  std::string log, architecture = "gfx942:sramecc+:xnack-";
  std::map<std::string, int> failures; ///< results that calls give from now on
  std::set<uintptr_t> capturing;       ///< streams
  std::set<void *> allocated;
};

State &state() {
  static State &state = *new State;
  return state;
}

thread_local int currentDevice = 0;

/// One call: writes it down, and fails if that was ordered.
class Call {
public:
  explicit Call(const std::string &name, const std::string &text = "") : lock(state().mutex) {
    state().log += name + (text.empty() ? "" : " " + text) + "\n";
    if (auto it = state().failures.find(name); it != state().failures.end())
      result = it->second;
  }
  int result = 0;

private:
  std::lock_guard<std::recursive_mutex> lock;
};

constexpr int invalidValue = 1, invalidImage = 200, notFound = 500;

std::string number(uint64_t value) { return std::to_string(value); }
std::string streamText(void *stream) { return number(reinterpret_cast<uintptr_t>(stream)); }

/// The kernels of a code object: symbols that end in ".kd", whose data is a descriptor.
bool parse(const char *image, Module &module) {
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_AMDGPU ||
      header.e_type != ET_DYN)
    return false;
  auto *sections = reinterpret_cast<const Elf64_Shdr *>(image + header.e_shoff);
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    if (sections[i].sh_type != SHT_DYNSYM)
      continue;
    const char *strings = image + sections[sections[i].sh_link].sh_offset;
    auto *symbols = reinterpret_cast<const Elf64_Sym *>(image + sections[i].sh_offset);
    for (size_t s = 0; s < sections[i].sh_size / sizeof(Elf64_Sym); ++s) {
      std::string name = strings + symbols[s].st_name;
      if (name.size() < 3 || name.substr(name.size() - 3) != ".kd")
        continue;
      name.resize(name.size() - 3);
      const Elf64_Shdr &data = sections[symbols[s].st_shndx];
      const char *descriptor = image + data.sh_offset + (symbols[s].st_value - data.sh_addr);
      uint32_t bytes;
      std::memcpy(&bytes, descriptor + 8, sizeof(bytes));
      module.functions[name] = {name, bytes};
    }
  }
  return true;
}

} // namespace

//===----------------------------------------------------------------------===//
// For the tests
//===----------------------------------------------------------------------===//

/// The calls since the last time, a line each; valid until the next call of this.
EXPORT const char *fakeHipTakeLog() {
  static std::string taken;
  std::lock_guard lock(state().mutex);
  taken = std::move(state().log);
  state().log.clear();
  return taken.c_str();
}

/// From now on calls of `function` return `result` (0: succeed again).
EXPORT void fakeHipFail(const char *function, int result) {
  std::lock_guard lock(state().mutex);
  state().failures[function] = result;
  if (result == 0)
    state().failures.erase(function);
}

EXPORT void fakeHipSetCapturing(uintptr_t stream, int isCapturing) {
  std::lock_guard lock(state().mutex);
  if (isCapturing)
    state().capturing.insert(stream);
  else
    state().capturing.erase(stream);
}

/// Of devices that are opened from now on.
EXPORT void fakeHipSetArchitecture(const char *name) {
  std::lock_guard lock(state().mutex);
  state().architecture = name;
}

/// Allocations that were not freed.
EXPORT size_t fakeHipNumAllocated() {
  std::lock_guard lock(state().mutex);
  return state().allocated.size();
}

//===----------------------------------------------------------------------===//
// The driver
//===----------------------------------------------------------------------===//

EXPORT int hipInit(unsigned) { return Call("hipInit").result; }

EXPORT int hipDrvGetErrorName(int error, const char **name) {
  *name = error == 700 ? "hipErrorIllegalAddress" : error == 209 ? "hipErrorNoBinaryForGpu" : nullptr;
  return *name ? 0 : invalidValue;
}

EXPORT int hipDrvGetErrorString(int error, const char **text) {
  *text = error == 700 ? "an illegal memory access was encountered" : nullptr;
  return *text ? 0 : invalidValue;
}

EXPORT int hipGetDeviceCount(int *count) {
  *count = 4;
  return 0;
}

EXPORT int hipDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return Call("hipDeviceGet", number(ordinal)).result;
}

EXPORT int hipDeviceGetName(char *name, int length, int) {
  std::strncpy(name, "Fake Instinct", length);
  return 0;
}

/// The architecture's place is that of ROCm 6, after many numbers.
EXPORT int hipGetDevicePropertiesR0600(void *properties, int ordinal) {
  constexpr size_t placeOfArchitecture = 1160;
  Call call("hipGetDeviceProperties", number(ordinal));
  std::strcpy(static_cast<char *>(properties), "Fake Instinct");
  std::strcpy(static_cast<char *>(properties) + placeOfArchitecture,
              state().architecture.c_str());
  return call.result;
}

EXPORT int hipGetDevice(int *ordinal) {
  *ordinal = currentDevice;
  return 0;
}

EXPORT int hipSetDevice(int ordinal) {
  Call call("hipSetDevice", number(ordinal));
  if (call.result == 0)
    currentDevice = ordinal;
  return call.result;
}

EXPORT int hipModuleLoadData(Module **module, const void *image) {
  Call call("hipModuleLoadData");
  auto loaded = std::make_unique<Module>();
  if (!parse(static_cast<const char *>(image), *loaded))
    return invalidImage;
  if (call.result == 0)
    *module = loaded.release();
  return call.result;
}

EXPORT int hipModuleGetFunction(Function **function, Module *module, const char *name) {
  auto found = module->functions.find(name);
  if (found == module->functions.end())
    return notFound;
  *function = &found->second;
  return Call("hipModuleGetFunction", name).result;
}

EXPORT int hipFuncGetAttribute(int *value, int attribute, Function *) {
  const std::map<int, int> values = {{0, 256}, {1, 0}, {3, 0}, {4, 62}};
  *value = values.at(attribute);
  return Call("hipFuncGetAttribute", number(attribute)).result;
}

EXPORT int hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Function *, int threads,
                                                              size_t) {
  *blocks = 2048 / threads;
  return Call("hipModuleOccupancyMaxActiveBlocksPerMultiprocessor").result;
}

EXPORT int hipModuleLaunchKernel(Function *function, unsigned gridX, unsigned gridY, unsigned gridZ,
                                 unsigned blockX, unsigned blockY, unsigned blockZ,
                                 unsigned shared, void *stream, void **parameters, void **) {
  std::string text = function->name + " grid=" + number(gridX) + "," + number(gridY) + "," +
                     number(gridZ) + " block=" + number(blockX) + "," + number(blockY) + "," +
                     number(blockZ) + " shared=" + number(shared) +
                     " stream=" + streamText(stream) + " device=" + number(currentDevice) +
                     " parameters=";
  for (unsigned i = 0; i < function->argumentBytes / 8; ++i) {
    uint64_t value;
    std::memcpy(&value, parameters[i], sizeof(value));
    text += (i ? "," : "") + number(value);
  }
  return Call("hipModuleLaunchKernel", text).result;
}

static int allocate(uint64_t *pointer, size_t bytes, Call &call) {
  if (call.result)
    return call.result;
  void *memory = std::aligned_alloc(512, (bytes + 511) / 512 * 512);
  state().allocated.insert(memory);
  *pointer = reinterpret_cast<uintptr_t>(memory);
  return 0;
}

EXPORT int hipMalloc(uint64_t *pointer, size_t bytes) {
  Call call("hipMalloc", number(bytes));
  return allocate(pointer, bytes, call);
}

EXPORT int hipMallocAsync(uint64_t *pointer, size_t bytes, void *stream) {
  Call call("hipMallocAsync", number(bytes) + " stream=" + streamText(stream));
  return allocate(pointer, bytes, call);
}

EXPORT int hipFreeAsync(uint64_t pointer, void *stream) {
  Call call("hipFreeAsync", "stream=" + streamText(stream));
  void *memory = reinterpret_cast<void *>(pointer);
  if (!state().allocated.erase(memory))
    return invalidValue;
  std::free(memory);
  return call.result;
}

EXPORT int hipMemcpyHtoD(uint64_t to, const void *from, size_t bytes) {
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  return Call("hipMemcpyHtoD", number(bytes)).result;
}

EXPORT int hipMemcpyDtoH(void *to, uint64_t from, size_t bytes) {
  std::memcpy(to, reinterpret_cast<void *>(from), bytes);
  return Call("hipMemcpyDtoH", number(bytes)).result;
}

EXPORT int hipStreamSynchronize(void *stream) {
  return Call("hipStreamSynchronize", streamText(stream)).result;
}

EXPORT int hipStreamWaitEvent(void *stream, void *, unsigned) {
  return Call("hipStreamWaitEvent", streamText(stream)).result;
}

EXPORT int hipEventCreateWithFlags(void **event, unsigned) {
  *event = &state();
  return Call("hipEventCreateWithFlags").result;
}

EXPORT int hipEventRecord(void *, void *stream) {
  return Call("hipEventRecord", streamText(stream)).result;
}

EXPORT int hipEventDestroy(void *) { return Call("hipEventDestroy").result; }

EXPORT int hipStreamIsCapturing(void *stream, int *status) {
  std::lock_guard lock(state().mutex);
  *status = state().capturing.count(reinterpret_cast<uintptr_t>(stream)) ? 1 : 0;
  return 0;
}
