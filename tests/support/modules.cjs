// Modules of the test tools, which live in the cache and not beside these files: require('…/modules.cjs')('zod').
const {createRequire} = require('node:module');
const cache = process.env.CLAWQL_CACHE || `${require('node:os').homedir()}/.cache/clawql`;
module.exports = createRequire(`${cache}/npm/`);
