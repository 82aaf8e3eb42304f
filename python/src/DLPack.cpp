//===- DLPack.cpp - Arrays of other libraries, without a copy -------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// numpy.from_dlpack refuses the types NumPy does not have, bfloat16 among them.
// This importer views any 8, 16, 32 or 64-bit element as bits and leaves the
// meaning to the caller. ABI: https://dmlc.github.io/dlpack/latest/c_api.html
//
//===----------------------------------------------------------------------===//
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace py = pybind11;

namespace {

// The part of the DLPack ABI that is read here.
struct DLDevice {
  int32_t type, id;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void *data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape, *strides;
  uint64_t byteOffset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void *context;
  void (*deleter)(DLManagedTensor *);
};
struct DLManagedTensorVersioned {
  uint32_t major, minor;
  void *context;
  void (*deleter)(DLManagedTensorVersioned *);
  uint64_t flags;
  DLTensor tensor;
};
constexpr int32_t kCPU = 1;
constexpr uint64_t kReadOnly = 1;

/// Takes the tensor out of a capsule, which is renamed as the protocol asks;
/// the returned capsule frees the tensor. Null if the capsule has another name.
template <typename Managed>
Managed *take(const py::object &capsule, const char *name, const char *used, py::capsule &owner) {
  if (!PyCapsule_IsValid(capsule.ptr(), name))
    return nullptr;
  auto *managed = static_cast<Managed *>(PyCapsule_GetPointer(capsule.ptr(), name));
  owner = py::capsule(managed, [](void *pointer) {
    auto *managed = static_cast<Managed *>(pointer);
    if (managed->deleter)
      managed->deleter(managed);
  });
  PyCapsule_SetName(capsule.ptr(), used);
  return managed;
}

py::dtype bitsOf(DLDataType type) {
  if (type.lanes == 1 && (type.bits == 8 || type.bits == 16 || type.bits == 32 || type.bits == 64))
    return py::dtype("u" + std::to_string(type.bits / 8));
  throw py::type_error("a DLPack tensor of " + std::to_string(type.lanes) + " x " + std::to_string(type.bits) +
                       "-bit elements has no NumPy view");
}

/// What is in a capsule; `owner` keeps it alive.
struct Imported {
  py::capsule owner;
  const DLTensor *tensor = nullptr;
  bool readOnly = false;

  char *data() const { return static_cast<char *>(tensor->data) + tensor->byteOffset; }
};

Imported unpack(const py::object &capsule) {
  Imported result;
  if (auto *managed = take<DLManagedTensor>(capsule, "dltensor", "used_dltensor", result.owner)) {
    result.tensor = &managed->tensor;
  } else if (auto *versioned =
                 take<DLManagedTensorVersioned>(capsule, "dltensor_versioned",
                                                "used_dltensor_versioned", result.owner)) {
    if (versioned->major != 1)
      throw py::buffer_error("DLPack major version " + std::to_string(versioned->major) + " is not 1");
    result.tensor = &versioned->tensor;
    result.readOnly = versioned->flags & kReadOnly;
  } else {
    throw py::type_error("not an unused DLPack capsule");
  }
  return result;
}

/// (address, shape, strides in elements, DLPack type code, bits, owner).
py::tuple describeCapsule(const py::object &capsule) {
  Imported imported = unpack(capsule);
  const DLTensor &tensor = *imported.tensor;
  if (tensor.dtype.lanes != 1)
    throw py::type_error("a DLPack tensor of " + std::to_string(tensor.dtype.lanes) +
                         " lanes an element");
  py::tuple shape(tensor.ndim), strides(tensor.ndim);
  int64_t packed = 1;
  for (int32_t d = tensor.ndim; d-- > 0; packed *= tensor.shape[d]) {
    shape[d] = tensor.shape[d];
    strides[d] = tensor.strides ? tensor.strides[d] : packed;
  }
  return py::make_tuple(reinterpret_cast<uintptr_t>(imported.data()), shape, strides,
                        tensor.dtype.code, tensor.dtype.bits, imported.owner);
}

/// A capsule of memory that `owner` keeps alive.
py::capsule makeCapsule(uintptr_t address, std::vector<int64_t> shape, int code, int bits,
                        std::pair<int32_t, int32_t> device, py::object owner) {
  struct Exported {
    DLManagedTensor managed;
    std::vector<int64_t> shape;
    py::object owner;
  };
  auto *exported = new Exported{{}, std::move(shape), std::move(owner)};
  DLTensor &tensor = exported->managed.tensor;
  tensor.data = reinterpret_cast<void *>(address);
  tensor.device = {device.first, device.second};
  tensor.ndim = static_cast<int32_t>(exported->shape.size());
  tensor.dtype = {static_cast<uint8_t>(code), static_cast<uint8_t>(bits), 1};
  tensor.shape = exported->shape.data(); // without strides: row-major
  exported->managed.context = exported;
  exported->managed.deleter = [](DLManagedTensor *managed) {
    py::gil_scoped_acquire gil; // libraries free from any thread
    delete static_cast<Exported *>(managed->context);
  };
  // A consumer renames the capsule and frees the tensor itself.
  PyObject *capsule = PyCapsule_New(&exported->managed, "dltensor", [](PyObject *capsule) {
    if (PyCapsule_IsValid(capsule, "dltensor")) {
      auto *managed =
          static_cast<DLManagedTensor *>(PyCapsule_GetPointer(capsule, "dltensor"));
      managed->deleter(managed);
    }
  });
  return py::reinterpret_steal<py::capsule>(capsule);
}

/// (array of unsigned integers over the same memory, DLPack type code, bits).
py::tuple fromCapsule(const py::object &capsule) {
  Imported imported = unpack(capsule);
  const DLTensor *tensor = imported.tensor;
  if (tensor->device.type != kCPU)
    throw py::buffer_error("the DLPack tensor is on device type " + std::to_string(tensor->device.type) +
                           ", not in host memory");

  py::dtype dtype = bitsOf(tensor->dtype);
  std::vector<py::ssize_t> shape(tensor->shape, tensor->shape + tensor->ndim);
  std::vector<py::ssize_t> strides(tensor->ndim);
  py::ssize_t packed = dtype.itemsize();
  for (int32_t d = tensor->ndim; d-- > 0; packed *= shape[d])
    strides[d] = tensor->strides ? tensor->strides[d] * dtype.itemsize() : packed;
  py::array array(dtype, shape, strides, imported.data(), imported.owner);
  if (imported.readOnly)
    array.attr("flags").attr("writeable") = false;
  return py::make_tuple(array, tensor->dtype.code, tensor->dtype.bits);
}

} // namespace

void bindDLPack(py::module_ &module) {
  py::module_ dlpack = module.def_submodule("dlpack", "Arrays of other libraries, without a copy.");
  dlpack.def("from_capsule", &fromCapsule, py::arg("capsule"),
             "Views a DLPack capsule in host memory as unsigned integers.\n\n"
             "Returns (array, type code, bits) with the codes of DLDataTypeCode (2 float,\n"
             "4 bfloat16, ..). The array keeps the tensor alive. Raises BufferError for\n"
             "memory of a device and TypeError for elements NumPy cannot address.");
  dlpack.def("describe_capsule", &describeCapsule, py::arg("capsule"),
             "What a DLPack capsule of any device says: (address, shape, strides in elements,\n"
             "type code, bits, owner). The owner keeps the tensor alive.");
  dlpack.def("make_capsule", &makeCapsule, py::arg("address"), py::arg("shape"), py::arg("code"),
             py::arg("bits"), py::arg("device"), py::arg("owner"),
             "A capsule over row-major memory, which `owner` keeps alive; device is (type, id).");
}
