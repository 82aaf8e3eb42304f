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

/// (array of unsigned integers over the same memory, DLPack type code, bits).
py::tuple fromCapsule(const py::object &capsule) {
  py::capsule owner;
  const DLTensor *tensor = nullptr;
  bool readOnly = false;
  if (auto *managed = take<DLManagedTensor>(capsule, "dltensor", "used_dltensor", owner)) {
    tensor = &managed->tensor;
  } else if (auto *versioned = take<DLManagedTensorVersioned>(capsule, "dltensor_versioned",
                                                              "used_dltensor_versioned", owner)) {
    if (versioned->major != 1)
      throw py::buffer_error("DLPack major version " + std::to_string(versioned->major) + " is not 1");
    tensor = &versioned->tensor;
    readOnly = versioned->flags & kReadOnly;
  } else {
    throw py::type_error("not an unused DLPack capsule");
  }
  if (tensor->device.type != kCPU)
    throw py::buffer_error("the DLPack tensor is on device type " + std::to_string(tensor->device.type) +
                           ", not in host memory");

  py::dtype dtype = bitsOf(tensor->dtype);
  std::vector<py::ssize_t> shape(tensor->shape, tensor->shape + tensor->ndim);
  std::vector<py::ssize_t> strides(tensor->ndim);
  py::ssize_t packed = dtype.itemsize();
  for (int32_t d = tensor->ndim; d-- > 0; packed *= shape[d])
    strides[d] = tensor->strides ? tensor->strides[d] * dtype.itemsize() : packed;
  auto *data = static_cast<char *>(tensor->data) + tensor->byteOffset;
  py::array array(dtype, shape, strides, data, owner);
  if (readOnly)
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
}
