SELECT count(*)
FROM river_job
WHERE queue <> 'notify'
  AND (state IN ('available', 'running') OR state IN ('retryable', 'scheduled') AND scheduled_at <= now() + interval '15 seconds')
