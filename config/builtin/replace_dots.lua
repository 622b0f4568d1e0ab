-- Replaces the dots in the names of fields, also of nested ones, by "_", or by what the field _replace_dots_with says.
local function rename(value, by)
  if type(value) ~= "table" then
    return value
  end
  local renamed = setmetatable({}, getmetatable(value)) -- an array stays one, also if it is empty
  for name, inner in pairs(value) do
    if type(name) == "string" then
      name = name:gsub("%.", by)
    end
    if name ~= "_replace_dots_with" then
      renamed[name] = rename(inner, by)
    end
  end
  return renamed
end

function filter(tag, timestamp, record)
  local by = tostring(record["_replace_dots_with"] or "_")
  return 2, timestamp, rename(record, (by:gsub("%%", "%%%%")))
end
