import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { svelteTesting } from '@testing-library/svelte/vite'
import openapiTypes, { astToString } from 'openapi-typescript'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const tracker = process.env.KEEPBEST_URL ?? 'http://127.0.0.1:7766'

/** Writes src/lib/api/schema.d.ts from the API's own document: a field that the API lacks fails svelte-check. */
function schema(source = here('./openapi.json'), target = here('./src/lib/api/schema.d.ts')): Plugin {
  return {
    name: 'keepbest-schema',
    async buildStart() {
      if (!existsSync(source)) return
      const types = astToString(await openapiTypes(JSON.parse(await readFile(source, 'utf8'))))
      const before = existsSync(target) ? await readFile(target, 'utf8') : ''
      if (types !== before) await writeFile(target, types)
    },
  }
}

/** Writes `x.js.br` and `x.js.gz` beside each `x.js` that is worth it: the tracker sends these, packed once for all. */
function packed(leastBytes = 1000): Plugin {
  const ways = {
    br: (data: Buffer) => promisify(brotliCompress)(data, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: data.length } }),
    gz: (data: Buffer) => promisify(gzip)(data, { level: 9 }),
  }
  let folder = ''
  return {
    name: 'keepbest-packed',
    apply: 'build',
    configResolved: (config) => void (folder = config.build.outDir),
    async closeBundle() {
      for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(js|css|html|svg)$/.test(entry.name)) continue
        const path = join(entry.parentPath, entry.name)
        const data = await readFile(path)
        if (data.length < leastBytes) continue
        for (const [ending, pack] of Object.entries(ways)) await writeFile(`${path}.${ending}`, await pack(data))
      }
    },
  }
}

export default defineConfig(({ mode }) => ({
  plugins: [schema(), svelte(), packed(), mode === 'test' && svelteTesting()],
  resolve: { alias: { $lib: here('./src/lib'), $parts: here('./src/parts'), $pages: here('./src/pages') } },
  build: {
    outDir: process.env.WEBUI_OUT ?? here('../tracker/webui_dist'),
    emptyOutDir: true,
    target: 'es2022',
    // The tracker sends `Content-Security-Policy: default-src 'self'`: a data: address would be refused.
    assetsInlineLimit: 0,
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'uplot', test: /node_modules\/uplot/ }] } } },
  },
  worker: { format: 'es' },
  // The tracker takes changes only from its own origin.
  server: { port: 5173, proxy: { '/api': { target: tracker, changeOrigin: true, headers: { origin: tracker } } } },
  test: {
    environment: 'node',
    include: ['src/**/*.test.ts'],
  },
}))
