// One Philox draw serves all the elements that lie in one group of 16 numbers and one
// lane: 7 rounds of two products each for 16 registers of 8 bits.
//
// RUN: quad-opt %s --convert-tile-to-llvm=target=host:avx512 | FileCheck %s
// RUN: sed 's/bits = 8 rounds = 7/bits = 4 rounds = 10/' %s | quad-opt --convert-tile-to-llvm=target=host:avx512 | FileCheck %s --check-prefix=FOUR
// RUN: sed 's/bits = 8/bits = 16/' %s | quad-opt --convert-tile-to-llvm=target=host:avx512 | FileCheck %s --check-prefix=SIXTEEN
// RUN: sed 's/reg = .1, 2, 4, 8./reg = [16, 32, 64, 128]/; s/lane = .16, 32, 64, 128./lane = [1, 2, 4, 8]/' %s | quad-opt --convert-tile-to-llvm=target=host:avx512 | FileCheck %s --check-prefix=LANES

// number / 16 = (base + (row + i) * rowLength + column + j) >> 4, in 64 bits
// CHECK-LABEL:    func.func private @random.program(
// CHECK-SAME:       %[[KEY:.*]]: i64, %[[BASE:.*]]: i64, %[[ROW:.*]]: i64, %[[COLUMN:.*]]: i64, %[[LENGTH:.*]]: i64, %{{.*}}: i64, %{{.*}}: i64)
// CHECK-DAG:        %[[R:.*]] = vector.broadcast %[[ROW]] : i64 to vector<16xi64>
// CHECK-DAG:        %[[L:.*]] = vector.broadcast %[[LENGTH]] : i64 to vector<16xi64>
// CHECK-DAG:        %[[C:.*]] = vector.broadcast %[[COLUMN]] : i64 to vector<16xi64>
// CHECK-DAG:        %[[B:.*]] = vector.broadcast %[[BASE]] : i64 to vector<16xi64>
// CHECK-DAG:        %[[ROWS:.*]] = arith.addi %[[R]], %{{.*}} : vector<16xi64>
// CHECK-DAG:        arith.muli %[[ROWS]], %[[L]] : vector<16xi64>
// CHECK:            arith.shrui %{{.*}} : vector<16xi64>
// The key's schedule starts at its two halves; the third word of the counter is the stream.
// CHECK:            vector.broadcast %[[KEY]]
// CHECK:            arith.constant 3 : i32
// CHECK-COUNT-14:   arith.muli %{{.*}} : vector<16xi64>
// CHECK-NOT:        arith.muli %{{.*}} : vector<16xi64>
// Byte i of the draw to register i.
// CHECK:            arith.constant 24 : i32
// CHECK:            arith.constant 255 : i32
// CHECK-NOT:        arith.muli %{{.*}} : vector<16xi64>
// CHECK:            return

// Two groups share a draw of 32 elements, and its halves are selected by parity.
// FOUR-LABEL:     func.func private @random.program(
// FOUR-COUNT-21:    arith.muli %{{.*}} : vector<16xi64>
// FOUR-NOT:         arith.muli %{{.*}} : vector<16xi64>
// FOUR-COUNT-2:     arith.select
// FOUR-NOT:         arith.select
// FOUR:             arith.constant 15 : i32

// A group takes two draws.
// SIXTEEN-LABEL:  func.func private @random.program(
// SIXTEEN-COUNT-29: arith.muli %{{.*}} : vector<16xi64>
// SIXTEEN-NOT:      arith.muli %{{.*}} : vector<16xi64>
// SIXTEEN:          arith.constant 65535 : i32

// Lanes that hold neighbours make the same draws and choose their byte at run time.
// LANES-LABEL:    func.func private @random.program(
// LANES:            arith.select %{{.*}} : vector<16xi1>, vector<16xi32>
// LANES:            return
#blocks = #tile.layout<reg = [1, 2, 4, 8], lane = [16, 32, 64, 128], warp = []>
func.func @random(%key: i64, %base: i64, %row: i64, %column: i64, %length: i64) attributes {tile.kernel} {
  %r = tile.random %key, %base at(%row, %column) of %length bits = 8 rounds = 7 stream = 3 : tensor<2x128xi32, #blocks>
  return
}
