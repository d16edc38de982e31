/**
 * Looks a LMDB file over before LMDB maps it: LMDB trusts its file, and a page that is missing or overwritten ends the process with a
 * signal instead of an error. Layout: `MDB_page`, `MDB_meta`, `MDB_node` in lmdb's own dependencies/lmdb/libraries/liblmdb/mdb.c,
 * data format 2, 64 bit, little-endian.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const MAGIC = 0xbeefc0de;
const FORMAT = 2;
const HEADER = 24;
const NONE = 0xffff_ffff_ffff_ffffn;
const P_BRANCH = 1;
const P_LEAF = 2;
const P_OVERFLOW = 4;
const P_META = 8;
const F_BIGDATA = 1;
const F_SUBDATA = 2;

interface Tree {
  depth: number;
  root: bigint;
}

/**
 * Null when every page that the newest committed transaction refers to is in its place, else what is wrong. Contents of values are not
 * looked at. A file of another data format or byte order is left to LMDB's own checks.
 */
export function faultIn(file: string): string | null {
  const fd = openSync(file, "r");
  try {
    const size = fstatSync(fd).size;
    const first = read(fd, 0, 176);
    if (first.length < 176) return `only ${size} bytes are left of it`;
    if (first.readUInt32LE(HEADER) !== MAGIC) return "it does not begin like a store";
    if ((first.readUInt32LE(HEADER + 4) & 0xffff) !== FORMAT) return null;
    const pageSize = first.readUInt32LE(HEADER + 24);
    if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) return `its page size is ${pageSize}`;
    const metas = [first, read(fd, pageSize, 176)];
    if (metas.some((meta) => meta.length < 176 || meta.readUInt32LE(HEADER) !== MAGIC || (meta.readUInt16LE(18) & P_META) === 0)) {
      return "one of its two heads is damaged";
    }
    const newest = metas.reduce((a, b) => (b.readBigUInt64LE(HEADER + 128) > a.readBigUInt64LE(HEADER + 128) ? b : a));
    const walk = new Walk(fd, pageSize, BigInt(Math.floor(size / pageSize)));
    for (const at of [HEADER + 24, HEADER + 72]) walk.tree(treeAt(newest, at));
    return null;
  } catch (error) {
    if (error instanceof Damage) return error.message;
    throw error;
  } finally {
    closeSync(fd);
  }
}

class Damage extends Error {}

/** `MDB_db` begins at `at`. */
function treeAt(bytes: Buffer, at: number): Tree {
  return { depth: bytes.readUInt16LE(at + 6), root: bytes.readBigUInt64LE(at + 40) };
}

function read(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(fd, buffer, 0, length, position));
}

class Walk {
  private readonly seen = new Set<bigint>();
  private readonly fd: number;
  private readonly pageSize: number;
  private readonly pages: bigint;

  constructor(fd: number, pageSize: number, pages: bigint) {
    this.fd = fd;
    this.pageSize = pageSize;
    this.pages = pages;
  }

  tree(tree: Tree): void {
    if (tree.root === NONE) return;
    if (tree.depth < 1 || tree.depth > 32) throw new Damage(`a tree of depth ${tree.depth}`);
    this.page(tree.root, tree.depth);
  }

  private page(number: bigint, depth: number): void {
    const page = this.load(number, this.pageSize);
    const flags = page.readUInt16LE(18);
    if ((flags & (P_BRANCH | P_LEAF | P_OVERFLOW | P_META)) !== (depth === 1 ? P_LEAF : P_BRANCH))
      throw new Damage(`page ${number} is of a wrong kind`);
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    if (lower % 2 !== 0 || lower > upper || upper + HEADER > this.pageSize) throw new Damage(`page ${number} has impossible bounds`);
    for (let i = 0; i < lower / 2; i++) {
      const at = HEADER + page.readUInt16LE(HEADER + 2 * i);
      if (at < HEADER + upper || at + 8 > this.pageSize) throw new Damage(`page ${number} points outside itself`);
      if (depth > 1) this.page(childOf(page, at), depth - 1);
      else this.node(page, at, number);
    }
  }

  private node(page: Buffer, at: number, number: bigint): void {
    const flags = page.readUInt16LE(at + 4);
    const size = page.readUInt16LE(at) + page.readUInt16LE(at + 2) * 0x10000;
    const data = at + 8 + page.readUInt16LE(at + 6);
    const inline = flags & F_BIGDATA ? 24 : size;
    if (data + inline > this.pageSize) throw new Damage(`page ${number} holds a value that ends outside it`);
    if (flags & F_BIGDATA) this.overflow(page.readBigUInt64LE(data), size);
    if (flags & F_SUBDATA) this.tree(treeAt(page, data));
  }

  private overflow(number: bigint, size: number): void {
    const head = this.load(number, HEADER);
    const pages = head.readUInt32LE(20);
    if ((head.readUInt16LE(18) & P_OVERFLOW) === 0 || pages < Math.ceil((HEADER + size) / this.pageSize)) {
      throw new Damage(`page ${number} is of a wrong kind`);
    }
    if (number + BigInt(pages) > this.pages) throw new Damage(`it ends in the middle of page ${number}`);
  }

  private load(number: bigint, length: number): Buffer {
    if (number < 2n || number >= this.pages) throw new Damage(`page ${number} is missing`);
    if (this.seen.has(number)) throw new Damage(`page ${number} is used twice`);
    this.seen.add(number);
    const page = read(this.fd, Number(number) * this.pageSize, length);
    if (page.length < length || page.readBigUInt64LE(0) !== number) throw new Damage(`page ${number} is damaged`);
    return page;
  }
}

/** In a branch node the page number takes the place of size and flags: 48 bits. */
function childOf(page: Buffer, at: number): bigint {
  return BigInt(page.readUIntLE(at, 6));
}
