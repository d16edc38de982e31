declare const __AIRY_VERSION__: string;
process.stdout.write(`${__AIRY_VERSION__}\n`);
