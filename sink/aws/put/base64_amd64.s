//go:build !purego

#include "textflag.h"

// The bytes of each three in the order 1 0 2 1, so that each digit's bits are within one word.
DATA spread<>+0(SB)/8, $0x0405030401020001
DATA spread<>+8(SB)/8, $0x0a0b090a07080607
GLOBL spread<>(SB), RODATA|NOPTR, $16

// The first and third digit of a three, and by what a product shifts them down to their byte.
DATA odd<>+0(SB)/8, $0x0fc0fc000fc0fc00
DATA odd<>+8(SB)/8, $0x0fc0fc000fc0fc00
GLOBL odd<>(SB), RODATA|NOPTR, $16
DATA down<>+0(SB)/8, $0x0400004004000040
DATA down<>+8(SB)/8, $0x0400004004000040
GLOBL down<>(SB), RODATA|NOPTR, $16

// The second and fourth one, and by what a product shifts them up.
DATA even<>+0(SB)/8, $0x003f03f0003f03f0
DATA even<>+8(SB)/8, $0x003f03f0003f03f0
GLOBL even<>(SB), RODATA|NOPTR, $16
DATA up<>+0(SB)/8, $0x0100001001000010
DATA up<>+8(SB)/8, $0x0100001001000010
GLOBL up<>(SB), RODATA|NOPTR, $16

DATA last<>+0(SB)/8, $0x3333333333333333 // 51, the number of z
DATA last<>+8(SB)/8, $0x3333333333333333
GLOBL last<>(SB), RODATA|NOPTR, $16
DATA small<>+0(SB)/8, $0x1a1a1a1a1a1a1a1a // 26, that of a
DATA small<>+8(SB)/8, $0x1a1a1a1a1a1a1a1a
GLOBL small<>(SB), RODATA|NOPTR, $16
DATA capital<>+0(SB)/8, $0x0d0d0d0d0d0d0d0d // 13, the place of A's row in rows
DATA capital<>+8(SB)/8, $0x0d0d0d0d0d0d0d0d
GLOBL capital<>(SB), RODATA|NOPTR, $16

// What is added to a number for its digit: a to z, ten times 0 to 9, +, /, A to Z.
DATA rows<>+0(SB)/8, $0xfcfcfcfcfcfcfc47
DATA rows<>+8(SB)/8, $0x000041f0edfcfcfc
GLOBL rows<>(SB), RODATA|NOPTR, $16

// func encodeBlocks(dst, src *byte, n int)
//
// It encodes n times twelve bytes, and reads four more. The method is Wojciech Muła's ("Base64 encoding with SIMD instructions").
TEXT ·encodeBlocks(SB), NOSPLIT, $0-24
	MOVQ  dst+0(FP), DI
	MOVQ  src+8(FP), SI
	MOVQ  n+16(FP), CX
	MOVOU spread<>(SB), X6
	MOVOU odd<>(SB), X7
	MOVOU down<>(SB), X8
	MOVOU even<>(SB), X9
	MOVOU up<>(SB), X10
	MOVOU last<>(SB), X11
	MOVOU small<>(SB), X12
	MOVOU capital<>(SB), X13
	MOVOU rows<>(SB), X14

next:
	MOVOU   (SI), X0
	PSHUFB  X6, X0
	MOVO    X0, X1
	PAND    X7, X0
	PMULHUW X8, X0
	PAND    X9, X1
	PMULLW  X10, X1
	POR     X1, X0 // the numbers of sixteen digits
	MOVO    X0, X1
	PSUBUSB X11, X1 // 0 for letters, 1 to 12 for the others
	MOVO    X12, X2
	PCMPGTB X0, X2
	PAND    X13, X2
	POR     X2, X1
	MOVO    X14, X3
	PSHUFB  X1, X3
	PADDB   X0, X3
	MOVOU   X3, (DI)
	ADDQ    $12, SI
	ADDQ    $16, DI
	DECQ    CX
	JNZ     next
	RET
