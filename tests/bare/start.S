/*
 * Entry of the flooding guest: a multiboot image that brings both processors
 * into 64-bit mode, where all addresses are mapped one to one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define MULTIBOOT_MAGIC     0x1BADB002
#define MULTIBOOT_ADDRESSES 0x00010000  /* load where this header says */
#define TRAMPOLINE          0x8000      /* below 1 MiB: starts in real mode */

    .section .start, "ax"
    .code32
header:
    .long MULTIBOOT_MAGIC
    .long MULTIBOOT_ADDRESSES
    .long -(MULTIBOOT_MAGIC + MULTIBOOT_ADDRESSES)
    .long header
    .long image_start
    .long image_end
    .long bss_end
    .long start

    .globl start
start:
    movl $stack_first_end, %esp
    movl %ebx, multiboot_info

    /* One page of 512 entries maps 512 GiB, in pages of 1 GiB. */
    movl $huge_pages, %edi
    xorl %ecx, %ecx
1:  movl %ecx, %eax
    shll $30, %eax
    orl $0x83, %eax                 /* present, writable, large */
    movl %eax, (%edi, %ecx, 8)
    movl %ecx, %eax
    shrl $2, %eax
    movl %eax, 4(%edi, %ecx, 8)
    incl %ecx
    cmpl $512, %ecx
    jb 1b
    movl $huge_pages + 3, page_root

    movl $trampoline, %esi
    movl $TRAMPOLINE, %edi
    movl $trampoline_end - trampoline, %ecx
    rep movsb

    movl $first_processor, %ebx
    jmp long_mode

second_start:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $stack_second_end, %esp
    movl $second_processor, %ebx

/* %ebx: the C function to go on with. */
long_mode:
    movl $0x20, %eax                /* physical address extension */
    movl %eax, %cr4
    movl $page_root, %eax
    movl %eax, %cr3
    movl $0xC0000080, %ecx          /* EFER: long mode */
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax           /* paging, protection */
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $0x18, $1f
    .code64
1:  movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl %ebx, %eax
    callq *%rax
2:  hlt
    jmp 2b

    /* Copied to TRAMPOLINE: it may only use addresses relative to itself. */
    .code16
trampoline:
    cli
    movw %cs, %ax
    movw %ax, %ds
    lgdtl gdt_pointer_copy - trampoline
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x08, $second_start
gdt_pointer_copy:
    .word gdt_end - gdt - 1
    .long gdt
trampoline_end:

    .balign 8
gdt:
    .quad 0
    .quad 0x00CF9A000000FFFF        /* 0x08: 32-bit code */
    .quad 0x00CF92000000FFFF        /* 0x10: data */
    .quad 0x00AF9A000000FFFF        /* 0x18: 64-bit code */
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt

    .bss
    .balign 4096
page_root:
    .skip 4096
huge_pages:
    .skip 4096
    .skip 4096
stack_first_end:
    .skip 4096
stack_second_end:
    .globl multiboot_info
multiboot_info:
    .skip 4

    .section .note.GNU-stack, "", @progbits
