// Tests of memory.ts.
import { openMemoryStore } from './memory.ts';
import { storeSuite } from './store-suite.ts';

storeSuite(async (keepRevisions) => openMemoryStore(keepRevisions === undefined ? {} : { keepRevisions }));
