//===- Message.cpp - Requests and results as bytes ------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/Message.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/MsgPackDocument.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/Endian.h"
#include <cerrno>
#include <elf.h>
#include <link.h>
#include <poll.h>
#include <sys/socket.h>

using namespace llvm;
using namespace std::chrono;

namespace quadrille::runtime {

//===----------------------------------------------------------------------===//
// The fields of each structure, once for both directions
//===----------------------------------------------------------------------===//

template <typename Codec> static void visitFields(Codec &codec, Hello &hello) {
  codec("protocol", hello.protocol);
  codec("fingerprint", hello.fingerprint);
  codec("readyTime", hello.readyTime);
}

template <typename Codec> static void visitFields(Codec &codec, CompileRequest &request) {
  codec("module", request.module);
  codec("target", request.target);
  codec("stage", request.stage);
  codec("options", request.options);
}

template <typename Codec> static void visitFields(Codec &codec, Diagnostic &diagnostic) {
  codec("severity", diagnostic.severity);
  codec("message", diagnostic.message);
  codec("file", diagnostic.file);
  codec("line", diagnostic.line);
  codec("column", diagnostic.column);
  codec("notes", diagnostic.notes);
}

// The client adds the log and the reproducer itself: they are not sent.
template <typename Codec> static void visitFields(Codec &codec, CompileResult &result) {
  codec("failure", result.failure);
  codec("diagnostics", result.diagnostics);
  codec("output", result.output);
  codec("schedule", result.schedule);
  codec("metadata", result.metadata);
  codec("timings", result.timings);
}

//===----------------------------------------------------------------------===//
// MessagePack
//===----------------------------------------------------------------------===//

namespace {

class Encoder {
public:
  explicit Encoder(msgpack::Document &document) : document(document), map(document.getMapNode()) {}

  template <typename T> void operator()(StringRef name, T &value) { map[name] = node(value); }

  template <typename T> static std::string encode(const T &value) {
    msgpack::Document document;
    Encoder encoder(document);
    document.getRoot() = encoder.node(const_cast<T &>(value));
    std::string bytes;
    document.writeToBlob(bytes);
    return bytes;
  }

private:
  msgpack::DocNode node(std::string &value) { return document.getNode(StringRef(value)); }
  msgpack::DocNode node(double &value) { return document.getNode(value); }

  template <typename T> msgpack::DocNode node(T &value) {
    if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
      return document.getNode(static_cast<int64_t>(value));
    } else {
      Encoder encoder(document);
      visitFields(encoder, value);
      return encoder.map;
    }
  }

  template <typename A, typename B> msgpack::DocNode node(std::pair<A, B> &value) {
    msgpack::ArrayDocNode array = document.getArrayNode();
    array.push_back(node(value.first));
    array.push_back(node(value.second));
    return array;
  }

  template <typename T> msgpack::DocNode node(std::vector<T> &values) {
    msgpack::ArrayDocNode array = document.getArrayNode();
    for (T &value : values)
      array.push_back(node(value));
    return array;
  }

  msgpack::Document &document;
  msgpack::MapDocNode map;
};

/// Reads what Encoder wrote; `ok` becomes false at the first mismatch.
class Decoder {
public:
  Decoder(msgpack::MapDocNode map, bool &ok) : map(map), ok(ok) {}

  template <typename T> void operator()(StringRef name, T &value) {
    auto field = map.find(name);
    if (field == map.end())
      ok = false;
    else
      read(field->second, value);
  }

  template <typename T> static bool decode(StringRef bytes, T &value) {
    msgpack::Document document;
    bool ok = document.readFromBlob(bytes, /*Multi=*/false);
    if (ok)
      Decoder(document.getMapNode(), ok).read(document.getRoot(), value);
    return ok;
  }

private:
  void read(msgpack::DocNode node, std::string &value) {
    if ((ok &= node.getKind() == msgpack::Type::String))
      value = node.getString().str();
  }

  void read(msgpack::DocNode node, double &value) {
    if ((ok &= node.getKind() == msgpack::Type::Float))
      value = node.getFloat();
  }

  template <typename T> void read(msgpack::DocNode node, T &value) {
    if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
      // MessagePack reads non-negative integers back as unsigned.
      if (node.getKind() == msgpack::Type::UInt)
        value = static_cast<T>(node.getUInt());
      else if ((ok &= node.getKind() == msgpack::Type::Int))
        value = static_cast<T>(node.getInt());
    } else if ((ok &= node.isMap())) {
      Decoder decoder(node.getMap(), ok);
      visitFields(decoder, value);
    }
  }

  template <typename A, typename B> void read(msgpack::DocNode node, std::pair<A, B> &value) {
    if (!(ok &= node.isArray() && node.getArray().size() == 2))
      return;
    read(node.getArray()[0], value.first);
    read(node.getArray()[1], value.second);
  }

  template <typename T> void read(msgpack::DocNode node, std::vector<T> &values) {
    if (!(ok &= node.isArray()))
      return;
    values.clear();
    for (msgpack::DocNode &element : node.getArray())
      read(element, values.emplace_back());
  }

  msgpack::MapDocNode map;
  bool &ok;
};

} // namespace

std::string encode(const Hello &hello) { return Encoder::encode(hello); }
std::string encode(const CompileRequest &request) { return Encoder::encode(request); }
std::string encode(const CompileResult &result) { return Encoder::encode(result); }

bool decode(StringRef bytes, Hello &hello) { return Decoder::decode(bytes, hello); }
bool decode(StringRef bytes, CompileRequest &request) { return Decoder::decode(bytes, request); }
bool decode(StringRef bytes, CompileResult &result) { return Decoder::decode(bytes, result); }

//===----------------------------------------------------------------------===//
// Reproducers
//===----------------------------------------------------------------------===//

static constexpr StringLiteral reproducerTitle = "// Quadrille reproducer: ";

std::string toReproducer(const CompileRequest &request, StringRef reason) {
  std::string text;
  raw_string_ostream os(text);
  os << reproducerTitle << "quadrille-compiler --replay THIS_FILE\n";
  for (StringRef line : llvm::split(reason.rtrim(), '\n'))
    os << "//   " << line << "\n";
  os << "// target: " << request.target << "\n";
  os << "// stage: " << request.stage << "\n";
  for (const auto &[key, value] : request.options)
    os << "// option: " << key << "=" << value << "\n";
  os << request.module;
  return text;
}

bool fromReproducer(StringRef text, CompileRequest &request) {
  if (!text.starts_with(reproducerTitle))
    return false;
  request = CompileRequest();
  request.module = text.str();
  while (text.starts_with("//")) {
    StringRef line;
    std::tie(line, text) = text.split('\n');
    auto [key, value] = line.split(": ");
    if (key == "// target")
      request.target = value.str();
    else if (key == "// stage")
      request.stage = value.str();
    else if (key == "// option") {
      auto [name, setting] = value.split('=');
      request.options.emplace_back(name.str(), setting.str());
    }
  }
  return !request.target.empty() && !request.stage.empty();
}

//===----------------------------------------------------------------------===//
// Frames
//===----------------------------------------------------------------------===//

static constexpr size_t headerSize = sizeof(uint64_t);
/// No message is that long: a larger header is not ours.
static constexpr uint64_t maxMessageSize = uint64_t(1) << 32;

/// Waits until `fd` is ready for `events`.
static IOStatus waitReady(int fd, short events, Deadline deadline) {
  while (true) {
    int timeout = -1;
    if (deadline) {
      auto left = ceil<milliseconds>(*deadline - steady_clock::now()).count();
      if (left <= 0)
        return IOStatus::TimedOut;
      timeout = static_cast<int>(std::min<int64_t>(left, INT32_MAX));
    }
    pollfd descriptor = {fd, events, 0};
    int ready = poll(&descriptor, 1, timeout);
    if (ready > 0)
      return IOStatus::Done;
    if (ready < 0 && errno != EINTR)
      return IOStatus::Closed;
  }
}

/// Repeats `transfer(offset)`, which moves some bytes and returns how many, until
/// `size` are done.
static IOStatus transferAll(int fd, short events, size_t size, Deadline deadline,
                            function_ref<ssize_t(size_t)> transfer) {
  for (size_t done = 0; done < size;) {
    if (IOStatus status = waitReady(fd, events, deadline); status != IOStatus::Done)
      return status;
    ssize_t moved = transfer(done);
    if (moved > 0)
      done += moved;
    else if (moved == 0 || (errno != EINTR && errno != EAGAIN))
      return IOStatus::Closed;
  }
  return IOStatus::Done;
}

static IOStatus sendAll(int fd, StringRef bytes, Deadline deadline) {
  return transferAll(fd, POLLOUT, bytes.size(), deadline, [&](size_t offset) {
    // MSG_NOSIGNAL: a helper that died must not kill its client by SIGPIPE.
    return send(fd, bytes.data() + offset, bytes.size() - offset, MSG_NOSIGNAL | MSG_DONTWAIT);
  });
}

static IOStatus receiveAll(int fd, MutableArrayRef<char> bytes, Deadline deadline) {
  return transferAll(fd, POLLIN, bytes.size(), deadline, [&](size_t offset) {
    return recv(fd, bytes.data() + offset, bytes.size() - offset, MSG_DONTWAIT);
  });
}

IOStatus sendFrame(int fd, StringRef message, Deadline deadline) {
  char header[headerSize];
  support::endian::write64le(header, message.size());
  IOStatus status = sendAll(fd, StringRef(header, headerSize), deadline);
  return status == IOStatus::Done ? sendAll(fd, message, deadline) : status;
}

IOStatus receiveFrame(int fd, std::string &message, Deadline deadline) {
  char header[headerSize];
  if (IOStatus status = receiveAll(fd, header, deadline); status != IOStatus::Done)
    return status;
  uint64_t size = support::endian::read64le(header);
  if (size > maxMessageSize)
    return IOStatus::Closed;
  message.resize(size);
  return receiveAll(fd, {message.data(), message.size()}, deadline);
}

//===----------------------------------------------------------------------===//
// Fingerprint
//===----------------------------------------------------------------------===//

/// The GNU build id in a segment of notes, in hexadecimal; empty if none.
static std::string findBuildId(ArrayRef<uint8_t> notes) {
  while (notes.size() > sizeof(ElfW(Nhdr))) {
    const auto *note = reinterpret_cast<const ElfW(Nhdr) *>(notes.data());
    size_t name = sizeof(*note);
    size_t content = name + alignTo(note->n_namesz, 4);
    size_t end = content + alignTo(note->n_descsz, 4);
    if (end > notes.size())
      return "";
    if (note->n_type == NT_GNU_BUILD_ID)
      return toHex(notes.slice(content, note->n_descsz), /*LowerCase=*/true);
    notes = notes.drop_front(end);
  }
  return "";
}

/// For dl_iterate_phdr: stores the build id of the binary that contains this
/// function into the string at `result`, and stops there.
static int visitBinary(dl_phdr_info *info, size_t, void *result) {
  auto here = reinterpret_cast<uintptr_t>(&visitBinary);
  ArrayRef<ElfW(Phdr)> segments(info->dlpi_phdr, info->dlpi_phnum);
  auto address = [&](const ElfW(Phdr) & s) { return info->dlpi_addr + s.p_vaddr; };
  bool containsUs = llvm::any_of(segments, [&](const ElfW(Phdr) & s) {
    return s.p_type == PT_LOAD && here >= address(s) && here - address(s) < s.p_memsz;
  });
  if (!containsUs)
    return 0;
  std::string &id = *static_cast<std::string *>(result);
  for (const ElfW(Phdr) &s : segments)
    if (s.p_type == PT_NOTE && id.empty())
      id = findBuildId({reinterpret_cast<const uint8_t *>(address(s)), s.p_memsz});
  return 1;
}

const std::string &compilerFingerprint() {
  static const std::string fingerprint = [] {
    std::string id;
    dl_iterate_phdr(visitBinary, &id);
    return "quadrille " QUADRILLE_VERSION " " + id + " llvm " LLVM_VERSION_STRING;
  }();
  return fingerprint;
}

} // namespace quadrille::runtime
