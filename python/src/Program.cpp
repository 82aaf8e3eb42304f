//===- Program.cpp - Devices and running programs from Python -------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille-c/Program.h"
#include "Runtime.h"
#include <forward_list>
#include <memory>
#include <optional>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

namespace py = pybind11;
#include <variant>

using namespace py::literals;

namespace {

//===----------------------------------------------------------------------===//
// Device
//===----------------------------------------------------------------------===//

class Device {
public:
  explicit Device(const std::string &name) { check(quadrilleDeviceGet(toRef(name), &device)); }

  py::str target() const { return toText(quadrilleDeviceGetTarget(device)); }
  bool compilesByDriver() const { return quadrilleDeviceCompilesByDriver(device); }
  py::str description() const { return toText(quadrilleDeviceGetDescription(device)); }

  bool isCapturing(uintptr_t stream) const {
    bool capturing = false;
    check(quadrilleDeviceIsCapturing(device, reinterpret_cast<void *>(stream), &capturing));
    return capturing;
  }

  uintptr_t upload(const py::bytes &bytes) const {
    std::string_view view(bytes);
    const void *copy = nullptr;
    check(quadrilleDeviceUpload(device, view.data(), view.size(), &copy));
    return reinterpret_cast<uintptr_t>(copy);
  }

  uintptr_t allocate(size_t bytes, uintptr_t stream) const {
    void *memory = nullptr;
    check(quadrilleDeviceAllocate(device, bytes, reinterpret_cast<void *>(stream), &memory));
    return reinterpret_cast<uintptr_t>(memory);
  }

  py::bytes download(uintptr_t address, size_t bytes, uintptr_t stream) const {
    std::string copy(bytes, '\0');
    QuadrilleError *error;
    {
      py::gil_scoped_release release;
      error = quadrilleDeviceDownload(device, copy.data(), reinterpret_cast<void *>(address), bytes,
                                      reinterpret_cast<void *>(stream));
    }
    check(error);
    return copy;
  }

  void order(uintptr_t earlier, uintptr_t later) const {
    check(quadrilleDeviceOrder(device, reinterpret_cast<void *>(earlier),
                               reinterpret_cast<void *>(later)));
  }

  void deallocate(uintptr_t memory, uintptr_t stream) const {
    quadrilleDeviceDeallocate(device, reinterpret_cast<void *>(memory),
                              reinterpret_cast<void *>(stream));
  }

  QuadrilleDevice *device = nullptr;
};

//===----------------------------------------------------------------------===//
// Program
//===----------------------------------------------------------------------===//

/// Python's side of one call: converts arguments without making Python objects
/// and holds what must live until the end.
class Call {
public:
  Call(const std::vector<QuadrilleArgumentDecl> &declarations, size_t totalRank)
      : declarations(declarations) {
    arguments.reserve(declarations.size());
    strides.reserve(totalRank); // never grows: `arguments` points into it
  }
  ~Call() {
    for (Py_buffer &buffer : buffers)
      PyBuffer_Release(&buffer);
  }

  /// One argument, or a list of them.
  void add(PyObject *object);
  /// Throws unless there is one for each declaration.
  void checkNumber() const;

  const std::vector<QuadrilleArgument> &getArguments() const { return arguments; }
  /// Of all buffers: how much the call may read and write.
  uint64_t getBytes() const { return bytes; }

private:
  [[noreturn]] void fail(const std::string &message) const {
    throw py::value_error("argument " + std::to_string(arguments.size()) + " " + message);
  }
  void addArray(const QuadrilleArgumentDecl &declaration, const py::array &array);
  void addTuple(const QuadrilleArgumentDecl &declaration, const py::tuple &tuple);
  void addBuffer(const QuadrilleArgumentDecl &declaration, PyObject *object);
  void addMemory(const QuadrilleArgumentDecl &declaration, const void *data, py::ssize_t rank,
                 py::ssize_t itemSize, const py::ssize_t *sizes, const py::ssize_t *byteStrides);

  const std::vector<QuadrilleArgumentDecl> &declarations;
  std::vector<QuadrilleArgument> arguments;
  std::vector<int64_t> strides;
  std::vector<Py_buffer> buffers;
  std::forward_list<std::vector<int64_t>> shapes; ///< of tuples
  uint64_t bytes = 0;
  size_t excess = 0; ///< arguments beyond the last
};

static_assert(sizeof(py::ssize_t) == sizeof(int64_t));

void Call::addMemory(const QuadrilleArgumentDecl &declaration, const void *data, py::ssize_t rank,
                     py::ssize_t itemSize, const py::ssize_t *sizes,
                     const py::ssize_t *byteStrides) {
  if (rank != static_cast<py::ssize_t>(declaration.rank))
    fail("must have rank " + std::to_string(declaration.rank) + ", got " + std::to_string(rank));
  if (itemSize != static_cast<py::ssize_t>(declaration.itemSize))
    fail("must have elements of " + std::to_string(declaration.itemSize) + " bytes, got " +
         std::to_string(itemSize));
  int64_t *first = strides.data() + strides.size();
  uint64_t elements = 1;
  for (py::ssize_t d = 0; d < rank; ++d) {
    if (byteStrides[d] % itemSize)
      fail("has a stride that is not a multiple of its element");
    strides.push_back(byteStrides[d] / itemSize);
    elements *= sizes[d];
  }
  bytes += elements * itemSize;
  QuadrilleArgument argument = {};
  argument.kind = QuadrilleArgumentBuffer;
  argument.rank = declaration.rank;
  argument.data = const_cast<void *>(data);
  argument.sizes = reinterpret_cast<const int64_t *>(sizes);
  argument.strides = first;
  arguments.push_back(argument);
}

void Call::addArray(const QuadrilleArgumentDecl &declaration, const py::array &array) {
  if (declaration.isOut && !array.writeable())
    fail("is written to, but is a read-only array");
  addMemory(declaration, array.data(), array.ndim(), array.itemsize(), array.shape(),
            array.strides());
}

/// (address, sizes, strides in elements), whose meaning is the caller's word.
void Call::addTuple(const QuadrilleArgumentDecl &declaration, const py::tuple &tuple) {
  if (tuple.size() != 3)
    fail("must be (address, sizes, strides)");
  auto &sizes = shapes.emplace_front(tuple[1].cast<std::vector<int64_t>>());
  auto &steps = shapes.emplace_front(tuple[2].cast<std::vector<int64_t>>());
  if (sizes.size() != steps.size())
    fail("must have as many strides as sizes");
  for (int64_t &step : steps)
    step *= declaration.itemSize;
  addMemory(declaration, reinterpret_cast<void *>(tuple[0].cast<uintptr_t>()), sizes.size(),
            declaration.itemSize, sizes.data(), steps.data());
}

void Call::addBuffer(const QuadrilleArgumentDecl &declaration, PyObject *object) {
  Py_buffer buffer;
  if (PyObject_GetBuffer(object, &buffer, declaration.isOut ? PyBUF_STRIDED : PyBUF_STRIDED_RO))
    throw py::error_already_set();
  buffers.push_back(buffer);
  addMemory(declaration, buffer.buf, buffer.ndim, buffer.itemsize, buffer.shape, buffer.strides);
}

/// An integer in [-2^63, 2^64): keys use all 64 bits.
int64_t toInteger(PyObject *object) {
  int overflow = 0;
  int64_t value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow > 0)
    value = static_cast<int64_t>(
        PyLong_AsUnsignedLongLong(py::reinterpret_steal<py::object>(PyNumber_Index(object)).ptr()));
  if (overflow < 0)
    PyErr_SetString(PyExc_OverflowError, "integer below -2^63");
  if (PyErr_Occurred())
    throw py::error_already_set();
  return value;
}

void Call::checkNumber() const {
  if (size_t number = arguments.size() + excess; number != declarations.size())
    throw py::value_error("expected " + std::to_string(declarations.size()) + " arguments, got " +
                          std::to_string(number));
}

void Call::add(PyObject *object) {
  if (PyList_Check(object)) {
    for (py::ssize_t i = 0; i < PyList_GET_SIZE(object); ++i)
      add(PyList_GET_ITEM(object, i));
    return;
  }
  if (arguments.size() == declarations.size()) {
    ++excess;
    return;
  }
  const QuadrilleArgumentDecl &declaration = declarations[arguments.size()];
  if (declaration.kind != QuadrilleArgumentBuffer) {
    QuadrilleArgument argument = {};
    argument.kind = declaration.kind;
    if (declaration.kind == QuadrilleArgumentI64)
      argument.integer = toInteger(object);
    else
      argument.number = static_cast<float>(PyFloat_AsDouble(object));
    if (PyErr_Occurred())
      throw py::error_already_set();
    arguments.push_back(argument);
  } else if (py::isinstance<py::array>(object)) {
    addArray(declaration, py::reinterpret_borrow<py::array>(object));
  } else if (PyTuple_Check(object)) {
    addTuple(declaration, py::reinterpret_borrow<py::tuple>(object));
  } else {
    addBuffer(declaration, object);
  }
}

struct Destroy {
  void operator()(QuadrilleProgram *program) const { quadrilleProgramDestroy(program); }
};

class Program {
public:
  Program(const py::bytes &object, const std::string &schedule, const std::string &target,
          const std::string &device) {
    QuadrilleProgram *created = nullptr;
    check(quadrilleProgramCreate(Device(device).device, toRef(std::string_view(object)),
                                 toRef(schedule), toRef(target), &created));
    program.reset(created);
    for (size_t i = 0; i < quadrilleProgramGetNumArguments(created); ++i) {
      declarations.push_back(quadrilleProgramGetArgument(created, i));
      totalRank += declarations.back().rank;
    }
  }

  QuadrilleRunStatistics run(const py::args &objects) const {
    Call call(declarations, totalRank);
    for (py::handle object : objects)
      call.add(object.ptr());
    call.checkNumber();
    // Releasing the lock pays from about as much work as handing it over costs.
    constexpr uint64_t worthReleasing = 32 << 10;
    std::optional<py::gil_scoped_release> release;
    if (call.getBytes() >= worthReleasing)
      release.emplace();
    QuadrilleRunStatistics statistics = {};
    const auto &arguments = call.getArguments();
    QuadrilleError *error =
        quadrilleProgramRun(program.get(), arguments.data(), arguments.size(),
                            /*options=*/nullptr, &statistics);
    release.reset();
    check(error);
    return statistics;
  }

  py::list arguments() const {
    static constexpr const char *kinds[] = {"buffer", "i64", "f32"};
    py::list list;
    for (const QuadrilleArgumentDecl &d : declarations)
      list.append(py::dict("kind"_a = kinds[d.kind], "out"_a = d.isOut, "rank"_a = d.rank,
                           "itemsize"_a = d.itemSize));
    return list;
  }

  py::list kernels() const {
    py::list list;
    for (size_t i = 0; i < quadrilleProgramGetNumKernels(program.get()); ++i) {
      QuadrilleStringRef name;
      QuadrilleKernelFacts f;
      check(quadrilleProgramGetKernel(program.get(), i, &name, &f));
      list.append(py::dict("name"_a = toText(name), "registers"_a = f.registers,
                           "spill_bytes"_a = f.spillBytes, "shared_bytes"_a = f.sharedBytes,
                           "threads"_a = f.threads, "blocks_per_sm"_a = f.blocksPerUnit,
                           "occupancy"_a = f.occupancy));
    }
    return list;
  }

private:
  friend class BoundProgram;

  std::unique_ptr<QuadrilleProgram, Destroy> program;
  std::vector<QuadrilleArgumentDecl> declarations;
  size_t totalRank = 0;
};

/// A program with the sizes and strides of one call's arguments: the short way from
/// addresses to launches.
class BoundProgram {
public:
  using Layout = std::pair<std::vector<int64_t>, std::vector<int64_t>>;
  /// Nothing of a number, unless sizes depend on it.
  using Known = std::variant<std::monostate, int64_t, Layout>;

  BoundProgram(const Program &program, std::vector<Known> given)
      : program(program.program.get()), layouts(std::move(given)) {
    const auto &declarations = program.declarations;
    if (layouts.size() != declarations.size())
      throw py::value_error("expected " + std::to_string(declarations.size()) +
                            " arguments, got " + std::to_string(layouts.size()));
    for (size_t i = 0; i < layouts.size(); ++i) {
      QuadrilleArgument argument = {};
      argument.kind = declarations[i].kind;
      if (const auto *layout = std::get_if<Layout>(&layouts[i])) {
        if (layout->first.size() != layout->second.size())
          throw py::value_error("argument " + std::to_string(i) +
                                " must have as many strides as sizes");
        argument.rank = layout->first.size();
        argument.sizes = layout->first.data();
        argument.strides = layout->second.data();
      } else if (const auto *number = std::get_if<int64_t>(&layouts[i])) {
        argument.integer = *number;
      }
      arguments.push_back(argument);
    }
    check(quadrilleProgramMeasure(this->program, arguments.data(), arguments.size(), &needs));
  }
  BoundProgram(const BoundProgram &) = delete; // `arguments` points into `layouts`
  BoundProgram &operator=(const BoundProgram &) = delete;

  void run(uintptr_t stream, uintptr_t workspace, uint64_t workspaceBytes,
           const py::list &values) const {
    std::vector<QuadrilleArgument> call(arguments);
    if (values.size() != call.size())
      throw py::value_error("expected " + std::to_string(call.size()) + " values, got " +
                            std::to_string(values.size()));
    for (size_t i = 0; i < call.size(); ++i)
      set(call[i], PyList_GET_ITEM(values.ptr(), i));
    QuadrilleRunOptions options = {reinterpret_cast<void *>(stream),
                                   reinterpret_cast<void *>(workspace), workspaceBytes};
    check(quadrilleProgramRun(program, call.data(), call.size(), &options, nullptr));
  }

  uint64_t workspaceBytes() const { return needs.workspaceBytes; }
  unsigned launches() const { return needs.launches; }

private:
  static void set(QuadrilleArgument &argument, PyObject *value) {
    if (argument.kind == QuadrilleArgumentBuffer)
      argument.data = PyLong_AsVoidPtr(value);
    else if (argument.kind == QuadrilleArgumentI64)
      argument.integer = toInteger(value);
    else
      argument.number = static_cast<float>(PyFloat_AsDouble(value));
    if (PyErr_Occurred())
      throw py::error_already_set();
  }

  const QuadrilleProgram *program;
  std::vector<Known> layouts;
  std::vector<QuadrilleArgument> arguments; ///< without data
  QuadrilleRunStatistics needs = {};
};

void bindDevice(py::module_ &module) {
  py::class_<Device>(module, "Device", R"(A machine that runs programs: "host", "cuda:N" or "hip:N".

ValueError or DeviceError if this machine does not have it.)")
      .def(py::init<const std::string &>(), "name"_a)
      .def_property_readonly("target", &Device::target, "What to compile for it.")
      .def_property_readonly("compiles_by_driver", &Device::compilesByDriver,
                             "Whether its code must be PTX, for the driver to compile.")
      .def_property_readonly("description", &Device::description)
      .def("is_capturing", &Device::isCapturing, "stream"_a)
      .def("upload", &Device::upload, "bytes"_a,
           "Address of a copy on the device, which stays until the process ends.")
      .def("download", &Device::download, "address"_a, "bytes"_a, "stream"_a,
           "The bytes at an address, once the stream has come that far.")
      .def("order", &Device::order, "earlier"_a, "later"_a,
           "Later work on one stream waits for what is on another now.")
      .def("allocate", &Device::allocate, "bytes"_a, "stream"_a,
           "Address of memory in the order of a stream.")
      .def("deallocate", &Device::deallocate, "address"_a, "stream"_a);
}

void bindBoundProgram(py::module_ &module) {
  py::class_<BoundProgram>(module, "BoundProgram",
                           R"(A program with the sizes and strides of its buffers.

Args:
    layouts: for each argument (sizes, strides in elements); for a number None, or the number
        if sizes depend on it, which then is the same in all calls.)")
      .def(py::init<const Program &, std::vector<BoundProgram::Known>>(),
           "program"_a, "layouts"_a, py::keep_alive<1, 2>())
      .def("__call__", &BoundProgram::run, "stream"_a, "workspace"_a, "workspace_bytes"_a,
           "values"_a,
           R"(Launches on a stream, by its handle (0: the default one).

workspace is the address of workspace_bytes bytes, aligned to 64, or 0: the device then allocates.
values has an address for each buffer, and the numbers.)")
      .def_property_readonly("workspace_bytes", &BoundProgram::workspaceBytes)
      .def_property_readonly("launches", &BoundProgram::launches);
}

} // namespace

void bindProgram(py::module_ &module) {
  bindDevice(module);
  py::class_<Program>(module, "Program", R"(A compiled object, loaded on a device of this process.

Args:
    object, schedule: output and schedule of a compilation of stage object.
    target: its target; ValueError if the device lacks something of it.
    device: "host", "cuda:N" or "hip:N".)")
      .def(py::init<const py::bytes &, const std::string &, const std::string &,
                    const std::string &>(),
           "object"_a, "schedule"_a, "target"_a = "host", "device"_a = "host")
      .def(
          "__call__", [](const Program &program, const py::args &args) { program.run(args); },
          R"(Runs once: the function's arguments in order, then a buffer for each result.

A list of arguments stands for its elements.
A buffer is a NumPy array, an object with the buffer protocol, or a tuple (address, sizes, strides in
elements); an i64 is an int in [-2^63, 2^64), an f32 a float. ValueError for a wrong rank, element size
or number, for a read-only result, and for what the program checks itself; then nothing was launched
after the failing check. Large runs use all threads and release the GIL.)")
      .def(
          "run",
          [](const Program &program, const py::args &args) {
            QuadrilleRunStatistics s = program.run(args);
            return py::dict("workspace_bytes"_a = s.workspaceBytes, "launches"_a = s.launches);
          },
          "As a call; returns a dict of workspace_bytes and launches.")
      .def("kernels", &Program::kernels,
           "list of {name, registers, spill_bytes, shared_bytes, threads, blocks_per_sm, occupancy}; "
           "0 where the device does not say.")
      .def_property_readonly("arguments", &Program::arguments,
                             "list of {kind: buffer|i64|f32, out, rank, itemsize}.");
  bindBoundProgram(module);
}
