//===- DiskCacheTest.cpp - Tests of the disk cache ------------------------===//
//
// Part of the Quadrille project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "quadrille/Runtime/DiskCache.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <cstdlib>
#include <set>
#include <thread>

using namespace quadrille;
using namespace quadrille::runtime;
using namespace llvm;

namespace {

class DiskCacheTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(sys::fs::createUniqueDirectory("quadrille-cache", directory));
  }
  void TearDown() override { sys::fs::remove_directories(directory); }

  static CompileResult someResult(size_t size = 3000) {
    CompileResult result;
    for (size_t i = 0; i < size; ++i)
      result.output.push_back(static_cast<char>(i * 37));
    result.schedule = "quadrille-schedule 1\n";
    return result;
  }
  static std::string read(const std::string &path) {
    auto buffer = MemoryBuffer::getFile(path);
    return buffer ? (*buffer)->getBuffer().str() : "";
  }
  static void write(const std::string &path, StringRef bytes) {
    std::error_code error;
    raw_fd_ostream(path, error) << bytes;
    ASSERT_FALSE(error);
  }

  SmallString<128> directory;
};

TEST_F(DiskCacheTest, findsWhatWasStored) {
  DiskCache cache((directory + "/deeper").str(), 0);
  EXPECT_FALSE(cache.lookup("a"));
  ASSERT_TRUE(cache.store("a", someResult()));
  auto found = cache.lookup("a");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->output, someResult().output);
  EXPECT_EQ(found->schedule, someResult().schedule);
  EXPECT_FALSE(cache.lookup("b"));
}

TEST_F(DiskCacheTest, keysCoverEverything) {
  CompileRequest request{"module {}", "host", "object", {{"a", "1"}}};
  std::set<std::string> keys = {DiskCache::key(request, "v1")};
  EXPECT_EQ(keys.begin()->size(), 64u);
  auto expectNew = [&](CompileRequest changed, const char *fingerprint, const char *what) {
    EXPECT_TRUE(keys.insert(DiskCache::key(changed, fingerprint)).second) << what;
  };
  EXPECT_EQ(DiskCache::key(request, "v1"), *keys.begin());
  expectNew(request, "v2", "fingerprint");
  auto changed = request;
  changed.module += " ";
  expectNew(changed, "v1", "module");
  changed = request;
  changed.target = "host:sse4";
  expectNew(changed, "v1", "target");
  changed = request;
  changed.stage = "asm";
  expectNew(changed, "v1", "stage");
  changed = request;
  changed.options[0].second = "2";
  expectNew(changed, "v1", "option");
  changed.options.clear();
  expectNew(changed, "v1", "no option");
}

TEST_F(DiskCacheTest, keysOfPartsTellWherePartsEnd) {
  std::set<std::string> keys = {DiskCache::keyOf({"ab", "c"}), DiskCache::keyOf({"a", "bc"}),
                                DiskCache::keyOf({"abc"}), DiskCache::keyOf({"abc", ""})};
  EXPECT_EQ(keys.size(), 4u);
  EXPECT_TRUE(keys.count(DiskCache::keyOf({"ab", "c"})));
}

TEST_F(DiskCacheTest, withoutADirectoryNothingIsKept) {
  DiskCache cache("", 0);
  EXPECT_FALSE(cache.store("a", someResult()));
  EXPECT_FALSE(cache.lookup("a"));
}

TEST_F(DiskCacheTest, tornEntriesAreMisses) {
  DiskCache cache(directory.str().str(), 0);
  ASSERT_TRUE(cache.store("a", someResult()));
  const std::string whole = read(cache.entryPath("a"));
  for (size_t size : {size_t(0), size_t(7), size_t(8), size_t(39), size_t(40), whole.size() / 2,
                      whole.size() - 1}) {
    write(cache.entryPath("a"), StringRef(whole).take_front(size));
    EXPECT_FALSE(cache.lookup("a")) << "cut to " << size;
    EXPECT_FALSE(sys::fs::exists(cache.entryPath("a"))) << "cut to " << size;
  }
  write(cache.entryPath("a"), whole);
  EXPECT_TRUE(cache.lookup("a"));
}

TEST_F(DiskCacheTest, everyAlteredByteIsSeen) {
  DiskCache cache(directory.str().str(), 0);
  ASSERT_TRUE(cache.store("a", someResult(100)));
  const std::string whole = read(cache.entryPath("a"));
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string altered = whole;
    altered[i] ^= 0x10;
    write(cache.entryPath("a"), altered);
    EXPECT_FALSE(cache.lookup("a")) << "byte " << i;
  }
  write(cache.entryPath("a"), whole + "x");
  EXPECT_FALSE(cache.lookup("a")) << "something appended";
}

TEST_F(DiskCacheTest, entriesBelongToTheirKey) {
  DiskCache cache(directory.str().str(), 0);
  ASSERT_TRUE(cache.store("a", someResult()));
  ASSERT_FALSE(sys::fs::rename(cache.entryPath("a"), cache.entryPath("b")));
  EXPECT_FALSE(cache.lookup("b"));
}

TEST_F(DiskCacheTest, unwritableDirectoriesAreHarmless) {
  write((directory + "/file").str(), "not a directory");
  DiskCache cache((directory + "/file").str(), 0);
  EXPECT_FALSE(cache.store("a", someResult()));
  EXPECT_FALSE(cache.lookup("a"));
}

TEST_F(DiskCacheTest, leavesNoTemporaryFiles) {
  DiskCache cache(directory.str().str(), 0);
  ASSERT_TRUE(cache.store("a", someResult()));
  std::error_code error;
  for (sys::fs::directory_iterator i(directory, error), end; i != end && !error; i.increment(error))
    EXPECT_FALSE(sys::path::filename(i->path()).contains("tmp")) << i->path();
}

TEST_F(DiskCacheTest, oldEntriesGoFirst) {
  // The time stamp file makes pruning due; each entry is 100 kB, the limit 250.
  DiskCache cache(directory.str().str(), 250'000);
  auto now = std::chrono::system_clock::now();
  auto storeAged = [&](const std::string &key, std::chrono::hours age) {
    ASSERT_TRUE(cache.store(key, someResult(100'000)));
    Expected<sys::fs::file_t> file = sys::fs::openNativeFileForRead(cache.entryPath(key));
    ASSERT_TRUE(static_cast<bool>(file));
    ASSERT_FALSE(sys::fs::setLastAccessAndModificationTime(*file, now - age));
    sys::fs::closeFile(*file);
  };
  storeAged("used", std::chrono::hours(3));
  storeAged("old", std::chrono::hours(2));
  EXPECT_TRUE(cache.lookup("used")) << "which makes it the youngest";
  sys::fs::remove(directory + "/llvmcache.timestamp");
  ASSERT_TRUE(cache.store("new", someResult(100'000)));
  EXPECT_TRUE(cache.lookup("new"));
  EXPECT_TRUE(cache.lookup("used"));
  EXPECT_FALSE(cache.lookup("old"));
}

TEST_F(DiskCacheTest, manyWritersAndReaders) {
  DiskCache cache(directory.str().str(), 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        EXPECT_TRUE(cache.store("a", someResult()));
        auto found = cache.lookup("a");
        ASSERT_TRUE(found);
        EXPECT_EQ(found->output, someResult().output);
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(DefaultDirectory, followsTheEnvironment) {
  setenv("QUADRILLE_CACHE_DIR", "/somewhere", 1);
  EXPECT_EQ(DiskCache::defaultDirectory(), "/somewhere");
  setenv("QUADRILLE_CACHE_DIR", "", 1);
  EXPECT_EQ(DiskCache::defaultDirectory(), "");
  unsetenv("QUADRILLE_CACHE_DIR");
  setenv("XDG_CACHE_HOME", "/elsewhere", 1);
  EXPECT_EQ(DiskCache::defaultDirectory(), "/elsewhere/quadrille");
  unsetenv("XDG_CACHE_HOME");
}

} // namespace
