SELECT count(*) FILTER (WHERE queue <> 'notify') + least(count(*) FILTER (WHERE queue = 'notify'), 1)
FROM river_job
WHERE state IN ('available', 'running')
   OR state IN ('retryable', 'scheduled') AND scheduled_at <= now() + interval '15 seconds'
