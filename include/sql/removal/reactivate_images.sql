-- Purpose: activate image rows again that image_rows.sql has just given as not active. It must
--          change as many rows as there are keys; else the transaction is taken back.
-- Binds:   row_keys (list of text)
-- Result:  none
UPDATE inb_images
SET is_active = 1
WHERE row_id IN :row_keys
    AND is_active = 0
