// Health check of the image: exit status 0 when /api/v1/alive answers 200 within the time Docker grants. The image has
// no curl, and Node.js is there anyway.
const basePath = (process.env.RS_API_BASE_PATH ?? '').trim().replace(/^\/|\/$/g, '');
const port = (process.env.RS_PORT ?? '').trim() || '8383';
const path = `${basePath === '' ? '' : `/${basePath}`}/api/v1/alive`;

try {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'HEAD' });
  process.exitCode = response.status === 200 ? 0 : 1;
} catch {
  process.exitCode = 1;
}
