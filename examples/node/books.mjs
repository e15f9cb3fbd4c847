// The shop's books: a file of JSON lines, each line one transaction, on the disk before anybody is told of it.
//
// A line holds all rows that change together, so a crash leaves either the whole change or none of it; what a crash
// left half-written at the end is cut off. JavaScript runs one thing at a time between two awaits: code that reads,
// decides and commits without an await in between needs no lock.
import fs from 'node:fs';
import path from 'node:path';

export class Books {
  /** Opens the file, or begins it. `tables` names the maps that the rows live in, by their ids. */
  constructor(file, tables) {
    for (const table of tables) this[table] = new Map();
    this.fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
    const raw = fs.readFileSync(this.fd);
    this.size = raw.lastIndexOf(0x0a) + 1;
    fs.ftruncateSync(this.fd, this.size);
    for (const line of raw.subarray(0, this.size).toString('utf8').split('\n')) if (line) this.#apply(JSON.parse(line));
    const folder = fs.openSync(path.dirname(path.resolve(file)), 'r');
    fs.fsyncSync(folder); // the file's name is durable as well
    fs.closeSync(folder);
  }

  /** Commits rows, each `[table, row]`: all of them or none, and durable on return. Throws when the disk will not. */
  commit(...rows) {
    const line = Buffer.from(JSON.stringify(rows) + '\n');
    try {
      for (let done = 0; done < line.length; ) done += fs.writeSync(this.fd, line, done, line.length - done, this.size + done);
      fs.fsyncSync(this.fd);
    } catch (error) {
      fs.ftruncateSync(this.fd, this.size); // or a later line would follow half a line
      throw error;
    }
    this.size += line.length;
    this.#apply(rows);
  }

  #apply(rows) {
    for (const [table, row] of rows) this[table].set(row.id, row);
  }
}
