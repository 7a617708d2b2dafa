// Reads an answer that is one JSON value per line and does not end. Called by page.js.

const MAX_LINE = 1024 * 1024;

/** Calls `onValue` for each line; resolves when the server ends the stream, rejects when it breaks. */
export const readJsonLines = async (response, onValue) => {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    if (rest.length > MAX_LINE) throw new Error('the stream has a line that is too long');
    for (const line of lines) if (line.trim()) onValue(JSON.parse(line));
  }
};
