//===- FakeCUDA.cpp - A CUDA driver that only pretends --------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions of libcuda that the runtime uses, for tests on machines without
// a GPU (QUADRILLE_LIBCUDA names this library). Device memory is host memory,
// machine code is an ELF header before the PTX, and launches are written down.
// fakeCuda* are for the tests, who read the log and order failures.
//
//===----------------------------------------------------------------------===//
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

struct Context {
  int device;
};
struct Function {
  std::string name;
  unsigned parameters;
};
struct Module {
  std::map<std::string, Function> functions;
};
struct Link {
  std::string code;
  char *log;
};

/// All that the tests may look at or order; one lock for everything.
struct State {
  std::recursive_mutex mutex;
  std::string log;
  std::map<std::string, int> failures; ///< results that calls give from now on
  std::set<uintptr_t> capturing;       ///< streams
  std::set<void *> allocated;
  std::map<int, int> functionAttributes = {{0, 128}, {1, 1024}, {3, 0}, {4, 40}};
  int major = 9, minor = 0, devices = 2, version = 13000;
  Context contexts[8] = {{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}};
};

State &state() {
  static State &state = *new State;
  return state;
}

thread_local std::vector<Context *> contexts;

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

constexpr int invalidValue = 1, invalidImage = 200, invalidContext = 201, notFound = 500;
constexpr char elf[] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2"; // 18 bytes: an executable

std::string number(uint64_t value) { return std::to_string(value); }

bool hasContext() { return !contexts.empty(); }

/// The entries of PTX with how many parameters each takes.
std::map<std::string, Function> parse(const std::string &ptx) {
  std::map<std::string, Function> functions;
  for (size_t at = 0; (at = ptx.find(".entry ", at)) != std::string::npos;) {
    at += std::strlen(".entry ");
    size_t open = ptx.find('(', at), close = ptx.find(')', at);
    std::string name = ptx.substr(at, open - at);
    unsigned parameters = 0;
    for (size_t p = open; (p = ptx.find(".param", p)) < close; ++p)
      ++parameters;
    functions[name] = {name, parameters};
  }
  return functions;
}

} // namespace

//===----------------------------------------------------------------------===//
// For the tests
//===----------------------------------------------------------------------===//

/// The calls since the last time, a line each; valid until the next call of this.
EXPORT const char *fakeCudaTakeLog() {
  static std::string taken;
  std::lock_guard lock(state().mutex);
  taken = std::move(state().log);
  state().log.clear();
  return taken.c_str();
}

/// From now on calls of `function` return `result` (0: succeed again).
EXPORT void fakeCudaFail(const char *function, int result) {
  std::lock_guard lock(state().mutex);
  state().failures[function] = result;
  if (result == 0)
    state().failures.erase(function);
}

EXPORT void fakeCudaSetCapturing(uintptr_t stream, int isCapturing) {
  std::lock_guard lock(state().mutex);
  if (isCapturing)
    state().capturing.insert(stream);
  else
    state().capturing.erase(stream);
}

EXPORT void fakeCudaSetFunctionAttribute(int attribute, int value) {
  std::lock_guard lock(state().mutex);
  state().functionAttributes[attribute] = value;
}

/// Of devices that are opened from now on.
EXPORT void fakeCudaSetComputeCapability(int major, int minor) {
  std::lock_guard lock(state().mutex);
  state().major = major;
  state().minor = minor;
}

/// Allocations that were not freed.
EXPORT size_t fakeCudaNumAllocated() {
  std::lock_guard lock(state().mutex);
  return state().allocated.size();
}

/// Contexts on this thread's stack.
EXPORT size_t fakeCudaContextDepth() { return contexts.size(); }

//===----------------------------------------------------------------------===//
// The driver
//===----------------------------------------------------------------------===//

EXPORT int cuInit(unsigned) { return Call("cuInit").result; }

EXPORT int cuDriverGetVersion(int *version) {
  *version = state().version;
  return 0;
}

EXPORT int cuGetErrorName(int error, const char **name) {
  *name = error == 700   ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : error == 2   ? "CUDA_ERROR_OUT_OF_MEMORY"
          : error == 218 ? "CUDA_ERROR_INVALID_PTX"
          : error == 500 ? "CUDA_ERROR_NOT_FOUND"
                         : nullptr;
  return *name ? 0 : invalidValue;
}

EXPORT int cuGetErrorString(int error, const char **text) {
  *text = error == 700 ? "an illegal memory access was encountered" : nullptr;
  return *text ? 0 : invalidValue;
}

EXPORT int cuDeviceGetCount(int *count) {
  *count = state().devices;
  return 0;
}

EXPORT int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return Call("cuDeviceGet", number(ordinal)).result;
}

EXPORT int cuDeviceGetName(char *name, int length, int) {
  std::strncpy(name, "Fake GPU", length);
  return 0;
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int) {
  const std::map<int, int> values = {
      {16, 132}, {39, 2048}, {75, state().major}, {76, state().minor}, {97, 227 * 1024}};
  *value = values.at(attribute);
  return 0;
}

EXPORT int cuDevicePrimaryCtxRetain(Context **context, int device) {
  *context = &state().contexts[device];
  return Call("cuDevicePrimaryCtxRetain", number(device)).result;
}

EXPORT int cuCtxGetCurrent(Context **context) {
  *context = hasContext() ? contexts.back() : nullptr;
  return 0;
}

EXPORT int cuCtxPushCurrent_v2(Context *context) {
  Call call("cuCtxPushCurrent", number(context->device));
  if (call.result == 0)
    contexts.push_back(context);
  return call.result;
}

EXPORT int cuCtxPopCurrent_v2(Context **context) {
  if (!hasContext())
    return invalidContext;
  *context = contexts.back();
  contexts.pop_back();
  return Call("cuCtxPopCurrent").result;
}

EXPORT int cuLinkCreate_v2(unsigned count, int *options, void **values, Link **link) {
  *link = new Link{"", nullptr};
  for (unsigned i = 0; i < count; ++i)
    if (options[i] == 5)
      (*link)->log = static_cast<char *>(values[i]);
  return Call("cuLinkCreate").result;
}

EXPORT int cuLinkAddData_v2(Link *link, int, void *data, size_t size, const char *, unsigned, int *,
                            void **) {
  Call call("cuLinkAddData");
  link->code.assign(elf, 18);
  link->code.append(static_cast<const char *>(data), size);
  if (call.result && link->log)
    std::strcpy(link->log, "ptxas fake.ptx, line 3; error: not so\n");
  return call.result;
}

EXPORT int cuLinkComplete(Link *link, void **cubin, size_t *size) {
  *cubin = link->code.data();
  *size = link->code.size();
  return Call("cuLinkComplete").result;
}

EXPORT int cuLinkDestroy(Link *link) {
  delete link;
  return 0;
}

EXPORT int cuModuleLoadData(Module **module, const void *image) {
  Call call("cuModuleLoadData");
  if (!hasContext())
    return invalidContext;
  if (std::memcmp(image, elf, 18) != 0)
    return invalidImage;
  if (call.result == 0)
    *module = new Module{parse(static_cast<const char *>(image) + 18)};
  return call.result;
}

EXPORT int cuModuleGetFunction(Function **function, Module *module, const char *name) {
  auto found = module->functions.find(name);
  if (found == module->functions.end())
    return notFound;
  *function = &found->second;
  return Call("cuModuleGetFunction", name).result;
}

EXPORT int cuFuncGetAttribute(int *value, int attribute, Function *) {
  std::lock_guard lock(state().mutex);
  *value = state().functionAttributes[attribute];
  return Call("cuFuncGetAttribute", number(attribute)).result;
}

EXPORT int cuFuncSetAttribute(Function *function, int attribute, int value) {
  return Call("cuFuncSetAttribute",
              function->name + " " + number(attribute) + "=" + number(value))
      .result;
}

EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Function *, int threads,
                                                       size_t) {
  *blocks = 1024 / threads;
  return Call("cuOccupancyMaxActiveBlocksPerMultiprocessor").result;
}

EXPORT int cuLaunchKernel(Function *function, unsigned gridX, unsigned gridY, unsigned gridZ,
                          unsigned blockX, unsigned blockY, unsigned blockZ, unsigned shared,
                          void *stream, void **parameters, void **) {
  std::string text = function->name + " grid=" + number(gridX) + "," + number(gridY) + "," +
                     number(gridZ) + " block=" + number(blockX) + "," + number(blockY) + "," +
                     number(blockZ) + " shared=" + number(shared) +
                     " stream=" + number(reinterpret_cast<uintptr_t>(stream)) + " context=" +
                     (hasContext() ? number(contexts.back()->device) : "none") + " parameters=";
  for (unsigned i = 0; i < function->parameters; ++i) {
    uint64_t value;
    std::memcpy(&value, parameters[i], sizeof(value));
    text += (i ? "," : "") + number(value);
  }
  Call call("cuLaunchKernel", text);
  return hasContext() ? call.result : invalidContext;
}

static int allocate(uint64_t *pointer, size_t bytes, Call &call) {
  if (!hasContext())
    return invalidContext;
  if (call.result)
    return call.result;
  void *memory = std::aligned_alloc(512, (bytes + 511) / 512 * 512);
  state().allocated.insert(memory);
  *pointer = reinterpret_cast<uintptr_t>(memory);
  return 0;
}

EXPORT int cuMemAlloc_v2(uint64_t *pointer, size_t bytes) {
  Call call("cuMemAlloc", number(bytes));
  return allocate(pointer, bytes, call);
}

EXPORT int cuMemAllocAsync(uint64_t *pointer, size_t bytes, void *stream) {
  Call call("cuMemAllocAsync",
            number(bytes) + " stream=" + number(reinterpret_cast<uintptr_t>(stream)));
  return allocate(pointer, bytes, call);
}

EXPORT int cuMemFreeAsync(uint64_t pointer, void *stream) {
  Call call("cuMemFreeAsync", "stream=" + number(reinterpret_cast<uintptr_t>(stream)));
  void *memory = reinterpret_cast<void *>(pointer);
  if (!state().allocated.erase(memory))
    return invalidValue;
  std::free(memory);
  return call.result;
}

EXPORT int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  return Call("cuMemcpyHtoD", number(bytes)).result;
}

EXPORT int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
  std::memcpy(to, reinterpret_cast<void *>(from), bytes);
  return Call("cuMemcpyDtoH", number(bytes)).result;
}

EXPORT int cuStreamSynchronize(void *stream) {
  return Call("cuStreamSynchronize", number(reinterpret_cast<uintptr_t>(stream))).result;
}

EXPORT int cuStreamWaitEvent(void *stream, void *, unsigned) {
  return Call("cuStreamWaitEvent", number(reinterpret_cast<uintptr_t>(stream))).result;
}

EXPORT int cuEventCreate(void **event, unsigned) {
  *event = &state();
  return Call("cuEventCreate").result;
}

EXPORT int cuEventRecord(void *, void *stream) {
  return Call("cuEventRecord", number(reinterpret_cast<uintptr_t>(stream))).result;
}

EXPORT int cuEventDestroy_v2(void *) { return Call("cuEventDestroy").result; }

EXPORT int cuStreamIsCapturing(void *stream, int *status) {
  std::lock_guard lock(state().mutex);
  *status = state().capturing.count(reinterpret_cast<uintptr_t>(stream)) ? 1 : 0;
  return 0;
}
